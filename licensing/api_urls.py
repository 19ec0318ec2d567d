"""The addresses of licensing under /api/v1/."""

from __future__ import annotations

from django.urls import path

from licensing import api, coupons_api, orders_api, payouts_api, tokens_api

urlpatterns = [
    path("organizations/<slug:organization>/terms", api.OrganizationTermsView.as_view(), name="api_organization_terms"),
    path(
        "organizations/<slug:organization>/terms-templates",
        api.TermsTemplatesView.as_view(),
        name="api_terms_templates",
    ),
    path("terms/<str:terms>", api.TermsView.as_view(), name="api_terms"),
    path("experiences/<slug:organization>/<slug:name>/offers", api.OfferListView.as_view(), name="api_offers"),
    path("offers/<str:offer>", api.OfferView.as_view(), name="api_offer"),
    path("offers/<str:offer>/acceptances", api.AcceptanceListView.as_view(), name="api_acceptances"),
    path("offers/<str:offer>/orders", orders_api.OfferOrdersView.as_view(), name="api_offer_orders"),
    path("offers/<str:offer>/requests", orders_api.OfferRequestsView.as_view(), name="api_offer_requests"),
    path("requests/<str:access_request>", orders_api.AccessRequestView.as_view(), name="api_access_request"),
    path("orders", orders_api.OrderListView.as_view(), name="api_orders"),
    path("orders/<int:number>/refunds", orders_api.OrderRefundsView.as_view(), name="api_order_refunds"),
    path("organizations/<slug:organization>/coupons", coupons_api.CouponsView.as_view(), name="api_coupons"),
    path("organizations/<slug:organization>/coupons/<str:code>", coupons_api.CouponView.as_view(), name="api_coupon"),
    path("organizations/<slug:organization>/billing", coupons_api.BillingView.as_view(), name="api_billing"),
    path("orders/<str:order>/portal", payouts_api.OrderPortalView.as_view(), name="api_order_portal"),
    path("organizations/<slug:organization>/payouts", payouts_api.PayoutsView.as_view(), name="api_payouts"),
    path("orders/<str:order>", orders_api.OrderView.as_view(), name="api_order"),
    path("grants/<str:grant>/seats/<slug:agent>", orders_api.SeatView.as_view(), name="api_seat"),
    path("webhooks/stripe", orders_api.StripeWebhookView.as_view(), name="api_stripe"),
    path("revocations", tokens_api.RevocationsView.as_view(), name="api_revocations"),
    path("receipts", tokens_api.ReceiptsView.as_view(), name="api_receipts"),
    path("grants", api.GrantListView.as_view(), name="api_grants"),
    path("grants/<str:grant>", api.GrantView.as_view(), name="api_grant"),
]
