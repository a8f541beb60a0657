//! How a process that rests most of its life tells the C library's allocator to give memory back.

/// Two arenas for all threads, pages of their own for what is larger than 128 KiB, and little kept in reserve: as much as
/// a batch of metrics takes, which would else ask the kernel for it each time. Without it
/// a daemon keeps for ever what the busiest moment of its life took: 129 MiB instead of 42 on the flights example after
/// 42,000 predictions and three looks at a month. With one arena the threads that answer wait for each other: a third fewer
/// look-ups of online features for each second of a processor, and after the same work no less memory. To be set in the
/// environment of the daemon, and not in its workers', whose threads must not wait for each other.
pub const FRUGAL: [(&str, &str); 4] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "262144"),
    ("MALLOC_TOP_PAD_", "65536"),
];
