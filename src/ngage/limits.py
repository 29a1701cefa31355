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
# Of clients who wait for a key of tokens or a hook: all together, then no more are taken, and of
# one, which then is closed.
WAITING_MESSAGES_MAX = 4096
CLIENT_WAITING_MESSAGES_MAX = 64
CALLS_WAITING_MAX = 16384  # rpc methods that have not answered
EXPIRING_SUBSCRIPTIONS_MAX = 1 << 20
EXPIRY_GRACE_SECONDS = 25  # after which what has expired and was not refreshed ends
RECENT_IDENTITY_SECONDS = 10

# The store
STORE_BUSY_MS = 2000  # how long a host action waits for another process that holds the database
STORE_PENDING_MAX = 4096  # pieces of work that may wait for the disk

# Events
EVENTS_MAX = 256
EVENT_TITLE_CHARS_MAX = 200
POLLS_PER_EVENT_MAX = 1000
POLLS_SHOWN_MAX = 8  # in the document that every viewer holds
CUE_ID_CHARS_MAX = 64
CUES_COUNTED_MAX = 32  # of which hosts see how many viewers have shown them

# Polls
POLL_TITLE_CHARS_MAX = 300
POLL_CHOICES_MAX = 32  # a choice is a bit of 32
POLL_CHOICE_CHARS_MAX = 120
POLL_DURATION_MS_MAX = 24 * 60 * 60 * 1000
QUIZ_WINDOW_MS_MAX = 60 * 60 * 1000
QUIZ_GRACE_MS = 250  # what a click may be late, and clocks may differ
# How far behind the opening a viewer may see a question: the delay of its video.
QUIZ_DELAY_MS_MAX = 15_000
# What an answer may take on its way: half of the longest round trip that counts for a viewer.
QUIZ_WAY_MS_MAX = 1000
LEADERBOARD_MAX = 1000

# Between looks for what is over or held back, whatever the tick
ATTEND_SECONDS = 0.25
# Finishing a poll that the store could not take
RETRY_SECONDS = 1.0
# Opening the journals anew while votes are refused because of the disk
MEND_SECONDS = 5.0

# Host actions shown with an event
ACTIONS_SHOWN_MAX = 50

# Host keys and tickets
HOST_KEY_SECONDS = 30 * 24 * 60 * 60
USER_CHARS_MAX = 255  # of a user whom a host names
TICKETS_PER_CALL_MAX = 10_000
TICKET_SECONDS = 24 * 60 * 60
TICKET_SECONDS_MAX = 30 * 24 * 60 * 60

# Token buckets. A bucket is forgotten when it is full again, so the table only has to hold those
# who did something in the last seconds: 131,072 keys are 26 MB.
BUCKET_KEYS_MAX = 131_072
RATE_COUNT_MAX = 1_000_000
RATE_SECONDS_MAX = 3600

# What people write
NAME_CHARS_MAX = 32
CHAT_TEXT_CHARS_MAX = 500
QUESTION_TEXT_CHARS_MAX = 300

# Chat
CHAT_HISTORY_LINES = 128  # what who joins sees
CHAT_RECENT_LINES_MAX = 1000  # that can still be pinned
CHAT_WAITING_SECONDS = 2  # of lines that wait for the room's rate, before the oldest go
CHAT_HELD_LINES_MAX = 200  # that wait for a moderator
CHAT_SLOW_SECONDS_MAX = 3600
CHAT_BANS_MAX = 65_536
WORDS_MAX = 100_000  # of a word filter
WORDS_FILE_BYTES_MAX = 4 << 20

# Questions
QUESTIONS_MAX = 1000
QUESTIONS_SHOWN_MAX = 50
QUESTIONS_INTERVAL_MS = 500  # between publications, each of which may be long
QUESTION_VOTES_MAX = 1_000_000  # of all questions of an event: 80 MB

# What is written down of chat and questions
KEPT_ROWS_MAX = 65_536  # that wait for the disk

# Reactions
REACTION_KINDS_MAX = 16
REACTIONS_PER_MESSAGE_MAX = 100

# Hooks
# Calls of async hooks that have not ended: with room for every client that may wait for one.
HOOKS_PENDING_MAX = 2 * WAITING_MESSAGES_MAX

# Webhooks
WEBHOOK_URLS_MAX = 16
WEBHOOK_QUEUE_MAX = 1000  # deliveries that wait for one URL
WEBHOOK_PARALLEL_MAX = 4  # requests open to one URL
WEBHOOK_ATTEMPTS_MAX = 8
WEBHOOK_BACKOFF_SECONDS = 1.0  # doubled at each attempt
WEBHOOK_BACKOFF_SECONDS_MAX = 60.0
WEBHOOK_TIMEOUT_SECONDS = 10.0  # for a whole exchange
WEBHOOK_ANSWER_BYTES_MAX = 4096  # read of an answer, to keep the connection
