// What a program on Linux has to arrange in C.
#ifndef TIDINGS_PROGRAM_H
#define TIDINGS_PROGRAM_H

// Has the C library keep one heap for all threads, and leave in it what is free. To be called before there are threads.
void tidings_set_up_heap(void);

#endif
