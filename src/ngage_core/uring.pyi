"""The io_uring backend; nothing of it is for Python."""
