"""Options and rules as Python gives them, checked and put into the structs the shards read."""

from ngage_core.hub cimport Options, Rules

cdef int read_address(Options *options, str host, int port) except -1
cdef Rules *rules_create(bint allow_missing_origin, tuple origins, tuple networks) except NULL
