"""Reading and writing regular files, whole or until an error; 0, a count, or -errno.

An error, or the end of the file, may come after a part: these go on until then.
"""

from libc.errno cimport EINTR, EIO, errno
from libc.stdint cimport int64_t, uint8_t

from ngage_core.sysio cimport c_fdatasync, c_ftruncate, c_pread, c_pwrite, result


cdef inline int64_t sys_read_at(int fd, void *data, size_t size, int64_t offset) noexcept nogil:
    """How many bytes there were, fewer only at the end; or -errno."""
    cdef size_t done = 0
    cdef int64_t count
    while done < size:
        count = c_pread(fd, <uint8_t *> data + done, size - done, offset + <int64_t> done)
        if count < 0 and errno == EINTR:
            continue
        if count < 0:
            return -errno
        if count == 0:
            break
        done += <size_t> count
    return <int64_t> done


cdef inline int64_t sys_write_at(
    int fd, const void *data, size_t size, int64_t offset
) noexcept nogil:
    """0 when everything is written; or -errno, and any part of it may be."""
    cdef size_t done = 0
    cdef int64_t count
    while done < size:
        count = c_pwrite(fd, <const uint8_t *> data + done, size - done, offset + <int64_t> done)
        if count < 0 and errno == EINTR:
            continue
        if count < 0:
            return -errno
        if count == 0:
            return -EIO
        done += <size_t> count
    return 0


cdef inline int64_t sys_sync_data(int fd) noexcept nogil:
    return result(c_fdatasync(fd))


cdef inline int64_t sys_truncate(int fd, int64_t size) noexcept nogil:
    return result(c_ftruncate(fd, size))
