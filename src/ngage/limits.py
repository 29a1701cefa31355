"""Bounds of the control plane, each with its unit in its name.

Those of the data plane are in ngage_core/limits.pxd; what an operator may change is a setting.
"""

# Tickets and tokens
VIEWER_TICKET_SECONDS = 7 * 24 * 3600  # an anonymous viewer is the same voter for that long
CLOCK_SKEW_SECONDS = 5  # a token of a clock that is ahead of ours by that much counts as begun
TTL_SECONDS_MAX = 365 * 24 * 3600  # as in Centrifugo: a later expiry is a mistake
TOKEN_HEADERS_CACHED_MAX = 64

# Keys by URL
JWKS_BYTES_MAX = 1 << 20
JWKS_KEYS_MAX = 256
JWKS_FETCH_SECONDS = 3.0
JWKS_INTERVAL_SECONDS = 2.0  # between two fetches, whatever unknown keys tokens name
JWKS_AGE_SECONDS_MAX = 3600.0  # then keys that were withdrawn are forgotten

# The JSON protocol
CHANNEL_BYTES_MAX = 255
SUBSCRIPTIONS_MAX = 16  # per connection, as in the core
RECOVERED_PUBLICATIONS_MAX = 300
HISTORY_PUBLICATIONS_MAX = 300
HISTORY_BYTES_MAX = 1 << 20
WAITING_MESSAGES_MAX = 4096  # of clients whose token waits for a key, all together
EXPIRING_SUBSCRIPTIONS_MAX = 1 << 20
EXPIRY_GRACE_SECONDS = 25  # after which what has expired and was not refreshed ends
RECENT_IDENTITY_SECONDS = 10
