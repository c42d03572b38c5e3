//! Linux native asynchronous I/O as owned operations and futures
