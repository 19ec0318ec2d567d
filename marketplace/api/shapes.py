"""What the API takes and gives, as typed serializers: they check requests and are the OpenAPI description."""

from __future__ import annotations

from rest_framework import serializers

OUTCOMES = ["succeeded", "refused", "diverged", "failed", "error"]


class Problem(serializers.Serializer[object]):
    """RFC 9457. ``code`` is stable; ``detail`` says what is wrong and ``advice`` what to do next."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    advice = serializers.CharField(allow_blank=True)
    request_id = serializers.CharField()


class Rating(serializers.Serializer[object]):
    mean = serializers.FloatField(allow_null=True, help_text="1 to 5; null while nobody has rated.")
    count = serializers.IntegerField()


class EnvironmentVerdict(serializers.Serializer[object]):
    verdict = serializers.CharField()
    environment = serializers.CharField()
    isolation = serializers.CharField(allow_blank=True)
    finished_at = serializers.DateTimeField()


class VerificationStatus(serializers.Serializer[object]):
    status = serializers.ChoiceField(["verified", "failing", "pending", "unverified"])
    environments = serializers.DictField(child=EnvironmentVerdict(), help_text="The last verdict in each environment.")


class OfferTerms(serializers.Serializer[object]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    kind = serializers.CharField()
    spdx = serializers.CharField(allow_blank=True)
    text_sha256 = serializers.CharField()
    uses = serializers.ListField(child=serializers.CharField())
    text_url = serializers.CharField()


class OfferSummary(serializers.Serializer[object]):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    terms = OfferTerms()
    grant_days = serializers.IntegerField(allow_null=True, help_text="null: until revoked.")
    versions = serializers.CharField(allow_blank=True, help_text="A range. Empty: every version.")
    price = serializers.CharField(allow_blank=True, help_text="In words, before tax. Empty: it costs nothing.")


class Listing(serializers.Serializer[object]):
    organization = serializers.CharField()
    name = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField(allow_blank=True)
    topics = serializers.ListField(child=serializers.CharField())
    visibility = serializers.ChoiceField(["public", "organization"])
    license = serializers.CharField(help_text="The package's own SPDX expression.")
    latest_version = serializers.CharField(allow_null=True)
    verification = VerificationStatus()
    rating = Rating()
    quality = serializers.FloatField(allow_null=True, help_text="0 to 1; null while it is not worked out.")


class QualityComponent(serializers.Serializer[object]):
    name = serializers.ChoiceField(["verification", "field", "ratings", "maintenance", "savings"])
    value = serializers.FloatField(help_text="0 to 1.")
    weight = serializers.FloatField(help_text="The weights add up to 1.")
    evidence = serializers.DictField(help_text="The numbers it was worked out from: docs/quality.md.")


class Quality(serializers.Serializer[object]):
    value = serializers.FloatField(allow_null=True, help_text="The sum of value times weight.")
    formula = serializers.IntegerField()
    computed_at = serializers.DateTimeField(allow_null=True)
    components = QualityComponent(many=True)


class ListingPage(serializers.Serializer[object]):
    results = Listing(many=True)
    next = serializers.CharField(allow_null=True, help_text="A cursor, not an address.")
    previous = serializers.CharField(allow_null=True)


class ListingQuery(serializers.Serializer[object]):
    cursor = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    topic = serializers.CharField(required=False, allow_blank=True, max_length=64, default="")
    organization = serializers.CharField(required=False, allow_blank=True, max_length=64, default="")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=100, default=25)


class ListingDetail(Listing):
    quality_parts = Quality()
    versions = serializers.ListField(child=serializers.DictField())
    offers = OfferSummary(many=True)
    granted = serializers.BooleanField(help_text="Your organization may download and replay it now.")
    conditions = serializers.ListField(child=serializers.CharField())
    permissions = serializers.DictField()
    parameters = serializers.DictField()
    steps = serializers.ListField(child=serializers.DictField())


class Finding(serializers.Serializer[object]):
    condition = serializers.CharField()
    status = serializers.ChoiceField(["holds", "fails", "unknown"])
    found = serializers.JSONField(allow_null=True)


class Fit(serializers.Serializer[object]):
    status = serializers.ChoiceField(["holds", "fails", "unknown"])
    findings = Finding(many=True)


class StoredReport(serializers.Serializer[object]):
    id = serializers.UUIDField()
    replay_id = serializers.UUIDField()
    experience = serializers.CharField()
    version = serializers.CharField()
    outcome = serializers.ChoiceField(OUTCOMES)
    code = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


ANSWERS = ["yes", "partly", "no", ""]
EFFORTS = ["none", "minutes", "hours", "days", ""]


class RatingRequest(serializers.Serializer[object]):
    stars = serializers.IntegerField(min_value=1, max_value=5)
    text = serializers.CharField(required=False, allow_blank=True, max_length=4000, default="")
    held = serializers.ChoiceField(ANSWERS, required=False, default="", help_text="Did it do what it promises?")
    described = serializers.ChoiceField(ANSWERS, required=False, default="", help_text="Was the description right?")
    effort_saved = serializers.ChoiceField(EFFORTS, required=False, default="", help_text="What did it save?")
    replay_id = serializers.UUIDField(help_text="A replay that your organization has reported.")


class UsedIn(serializers.Serializer[object]):
    os_id = serializers.CharField(allow_blank=True)
    os_version = serializers.CharField(allow_blank=True)
    environment = serializers.CharField(allow_blank=True)


class Reply(serializers.Serializer[object]):
    text = serializers.CharField()
    at = serializers.DateTimeField()


class StoredRating(serializers.Serializer[object]):
    id = serializers.IntegerField()
    experience = serializers.CharField()
    organization = serializers.CharField()
    major = serializers.IntegerField()
    stars = serializers.IntegerField()
    text = serializers.CharField(allow_blank=True)
    held = serializers.ChoiceField(ANSWERS, allow_blank=True)
    described = serializers.ChoiceField(ANSWERS, allow_blank=True)
    effort_saved = serializers.ChoiceField(EFFORTS, allow_blank=True)
    outcome = serializers.ChoiceField(OUTCOMES, help_text="Of the replay it rests on.")
    used_in = UsedIn()
    helpful = serializers.IntegerField(help_text="How many organizations found it helpful.")
    reply = Reply(allow_null=True, help_text="The publisher's.")
    is_hidden = serializers.BooleanField(help_text="By moderation; only its own organization still sees it.")
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class Index(serializers.Serializer[object]):
    name = serializers.CharField()
    version = serializers.CharField()
    openapi_url = serializers.CharField()
    experiences_url = serializers.CharField()
    search_url = serializers.CharField()
    signing_keys_url = serializers.CharField()
