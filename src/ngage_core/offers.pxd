from ngage_core.offer cimport Offer


cdef Offer *offer_of_response(bytes response, size_t head_bytes) except NULL
cdef Offer *offer_awaited(object wait_ms) except NULL
cdef Offer *offer_of_playlist(tuple responses, dict position) except NULL
