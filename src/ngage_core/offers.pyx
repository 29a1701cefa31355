"""Offers as Python gives them, checked and put into the structs the shards read."""

from libc.stdint cimport uint8_t

from ngage_core.limits cimport HTTP_RESPONSE_BYTES_MAX, WAIT_MS_MAX
from ngage_core.offer cimport ANSWERS_PER_OFFER, Offer, offer_create, offer_release
from ngage_core.open cimport in_range
from ngage_core.payload cimport Payload, payload_of_bytes, payload_release

_NUMBER_MAX = 0xFFFFFFFE


cdef Payload *answer_of(bytes response, size_t head_bytes) except NULL:
    cdef size_t size = <size_t> len(response)
    cdef Payload *answer
    if size > HTTP_RESPONSE_BYTES_MAX:
        raise ValueError(f"a response is at most {HTTP_RESPONSE_BYTES_MAX} bytes")
    if not 2 <= head_bytes <= size:
        raise ValueError("head_bytes is more than the response has")
    answer = payload_of_bytes(<const uint8_t *> <char *> response, size, head_bytes)
    if answer == NULL:
        raise MemoryError
    return answer


cdef Offer *offer_of_response(bytes response, size_t head_bytes) except NULL:
    cdef Payload *answer = answer_of(response, head_bytes)
    cdef Offer *offer = offer_create(answer)
    if offer == NULL:
        payload_release(answer)
        raise MemoryError
    return offer


cdef Offer *offer_awaited(object wait_ms) except NULL:
    cdef int wait = in_range("wait_ms", wait_ms, 0, WAIT_MS_MAX)
    cdef Offer *offer = offer_create(NULL)
    if offer == NULL:
        raise MemoryError
    offer.wait_ms = wait
    return offer


cdef Offer *offer_of_playlist(tuple responses, dict position) except NULL:
    """By what is asked: as it is, blocking, delta, both."""
    cdef Offer *offer = offer_awaited(position["wait_ms"])
    cdef int i
    try:
        if len(responses) != ANSWERS_PER_OFFER:
            raise ValueError(f"a playlist has {ANSWERS_PER_OFFER} responses")
        offer.playlist = True
        offer.ended = position["ended"]
        offer.segment = in_range("segment", position["segment"], 0, _NUMBER_MAX)
        offer.parts = in_range("parts", position["parts"], 0, _NUMBER_MAX)
        offer.parts_before = in_range("parts_before", position["parts_before"], 0, _NUMBER_MAX)
        offer.parts_ahead = in_range("parts_ahead", position["parts_ahead"], 1, _NUMBER_MAX)
        for i in range(ANSWERS_PER_OFFER):
            response, head_bytes = responses[i]
            offer.answers[i] = answer_of(response, head_bytes)
    except BaseException:
        offer_release(offer)
        raise
    return offer
