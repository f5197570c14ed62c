// zlib (RFC 1950), from Debian's zlib1g-dev.
#include <zlib.h>
