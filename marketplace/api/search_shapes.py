"""What a search takes and gives."""

from __future__ import annotations

from rest_framework import serializers

from experiences.domain.terms import FIELDS
from experiences.search.columns import SORTS, VERIFIED_BUCKETS
from experiences.search.engine import MEANING
from marketplace.api.shapes import Fit, Listing

FILTER_VALUES_MAX = 20


class Values(serializers.ListField):
    """Some names of which any will do."""

    def __init__(self, help_text: str) -> None:
        child = serializers.CharField(max_length=64)
        super().__init__(child=child, required=False, max_length=FILTER_VALUES_MAX, default=list, help_text=help_text)


class SearchFilters(serializers.Serializer[object]):
    """Of one filter any value will do; all filters must be met."""

    publisher = Values("Organizations, by their short name.")
    environment = Values("Where the latest version is proven.")
    action = Values("What its steps do: run, shell, http, file, ask.")
    license = Values("Kinds of offers open to everybody: free, purchase, subscription, metered, request.")
    price = Values("Bands of the lowest price: free, low, middle, high.")
    language = Values("Of its text, as its letters tell: en, ja, zh, ko.")
    verified = serializers.ListField(
        child=serializers.ChoiceField(list(VERIFIED_BUCKETS)),
        required=False,
        max_length=FILTER_VALUES_MAX,
        default=list,
        help_text="How young its proof is; 'verified' is as old as the marketplace's policy allows.",
    )


class SearchRequest(serializers.Serializer[object]):
    words = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        default="",
        help_text='Words, "a phrase", -without, begin*.',
    )
    topics = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        max_length=10,
        default=list,
        help_text="All of them must be there.",
    )
    filters = SearchFilters(required=False, default=dict)
    facts = serializers.DictField(
        required=False, allow_null=True, default=None, help_text="The document that 'keiken facts --json' prints."
    )
    fits = serializers.BooleanField(required=False, default=False, help_text="Only what holds with these facts.")
    nearly = serializers.BooleanField(
        required=False,
        default=False,
        help_text="What holds with these facts, and behind it what lacks one or two conditions, with these.",
    )
    explain = serializers.BooleanField(required=False, default=False, help_text="Findings for every condition.")
    sort = serializers.ChoiceField(list(SORTS), required=False, default="relevance")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=100, default=25)
    cursor = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=500, default="")


class Reason(serializers.Serializer[object]):
    word = serializers.CharField(help_text="A word that was asked for; with 'meaning' all of them.")
    term = serializers.CharField(
        help_text="What it was found as: its stem, or that of a word it was taken for; empty with 'meaning'."
    )
    where = serializers.ListField(
        child=serializers.ChoiceField([*FIELDS, MEANING]),
        help_text="Fields of the listing; 'meaning' where its text is close to what was asked, whatever its words.",
    )


class Found(Listing):
    fit = Fit(allow_null=True)
    reasons = Reason(many=True)


class FacetValue(serializers.Serializer[object]):
    value = serializers.CharField()
    count = serializers.IntegerField(help_text="What choosing it would leave.")


class SearchFacets(serializers.Serializer[object]):
    """The most frequent values of each, at most twenty."""

    topic = FacetValue(many=True)
    environment = FacetValue(many=True)
    action = FacetValue(many=True)
    license = FacetValue(many=True)
    price = FacetValue(many=True)
    language = FacetValue(many=True)
    verified = FacetValue(many=True)
    publisher = FacetValue(many=True)


class SearchPage(serializers.Serializer[object]):
    results = Found(many=True)
    next = serializers.CharField(allow_null=True, help_text="A cursor, not an address.")
    total = serializers.IntegerField(help_text="On all pages.")
    facets = SearchFacets()
