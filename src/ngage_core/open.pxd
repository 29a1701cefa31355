"""Options and rules as Python gives them, checked and put into the structs the shards read."""

from libc.stdint cimport int64_t

from ngage_core.hub cimport Options, Rules


cdef int64_t in_range(str name, object value, int64_t least, int64_t most) except? -1
cdef int read_address(Options *options, str host, int port) except -1
cdef int read_options(Options *options, dict given) except -1
cdef Rules *rules_create(bint allow_missing_origin, tuple origins, tuple networks) except NULL
