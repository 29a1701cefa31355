from libc.stdint cimport uint32_t, uint64_t

from ngage_core.channel cimport Channel
from ngage_core.control cimport Control
from ngage_core.deflate cimport Buffer, z_stream
from ngage_core.payload cimport Payload
from ngage_core.span cimport Span


cdef class Channels:
    cdef Control control
    cdef z_stream deflater
    cdef Buffer deflated

    cdef Channel *find(self, Span name) noexcept
    cdef uint32_t next_number(self) except? 0xFFFFFFFF
    cdef void number(self, Channel *channel) noexcept
    cdef Channel *channel_numbered(self, uint64_t number) except NULL
    cdef int count_as(self, tuple rungs) except -1
    cdef Payload *encode(self, bytes data, int opcode, bint deflate) except NULL
    cdef Payload *encode_push(self, Channel *pushes, bytes fields) except NULL
