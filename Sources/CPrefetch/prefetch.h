// What no language but C has a word for: asking for memory without waiting for it.
#ifndef TIDINGS_PREFETCH_H
#define TIDINGS_PREFETCH_H

// A hint: it never faults, whatever the address, and changes nothing that a program can see.
static inline void tidings_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

#endif
