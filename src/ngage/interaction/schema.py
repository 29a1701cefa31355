"""The tables of the database, as the steps that lead to them; a step that was released stays.

Times are Unix milliseconds, voters 64-bit numbers in the signed form that SQLite has. Values that
are read as a whole (features, settings of the chat) are JSON.
"""

EVENTS = """CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    phase TEXT NOT NULL,
    run INTEGER NOT NULL,
    starts_ms INTEGER,
    video TEXT,
    features TEXT NOT NULL,
    reactions TEXT NOT NULL,
    chat TEXT NOT NULL,
    pinned TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT"""

POLLS = """CREATE TABLE polls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    run INTEGER NOT NULL,
    state TEXT NOT NULL,
    opened_ms INTEGER,
    closes_ms INTEGER,
    document TEXT NOT NULL
) STRICT"""

RESULTS = """CREATE TABLE results (
    poll INTEGER PRIMARY KEY REFERENCES polls (id) ON DELETE CASCADE,
    counts TEXT NOT NULL,
    voters INTEGER NOT NULL,
    journal_bytes INTEGER NOT NULL,
    journal_sha256 TEXT NOT NULL,
    finished_ms INTEGER NOT NULL
) STRICT"""

# Columns of a question's scores: arrays in the order of voters, little-endian.
SCORES = """CREATE TABLE scores (
    poll INTEGER PRIMARY KEY REFERENCES polls (id) ON DELETE CASCADE,
    voters BLOB NOT NULL,
    points BLOB NOT NULL,
    elapsed_ms BLOB NOT NULL,
    correct BLOB NOT NULL
) STRICT"""

# Of an event that is deleted, what was done to it stays.
AUDIT = """CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    host TEXT NOT NULL,
    action TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT"""

BANS = """CREATE TABLE bans (
    event INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    voter INTEGER NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (event, voter)
) STRICT, WITHOUT ROWID"""

CHAT_LINES = """CREATE TABLE chat_lines (
    event INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (event, id)
) STRICT, WITHOUT ROWID"""

QUESTIONS = """CREATE TABLE questions (
    event INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    user TEXT NOT NULL,
    voter INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (event, id)
) STRICT, WITHOUT ROWID"""

QUESTION_VOTES = """CREATE TABLE question_votes (
    event INTEGER NOT NULL,
    question INTEGER NOT NULL,
    voter INTEGER NOT NULL,
    PRIMARY KEY (event, question, voter),
    FOREIGN KEY (event, question) REFERENCES questions (event, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        EVENTS,
        POLLS,
        "CREATE INDEX polls_of_event ON polls (event, id)",
        RESULTS,
        SCORES,
        AUDIT,
        "CREATE INDEX audit_of_event ON audit (event, id)",
        BANS,
        CHAT_LINES,
        QUESTIONS,
        QUESTION_VOTES,
    ),
)
