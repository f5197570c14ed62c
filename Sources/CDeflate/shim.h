// libdeflate, from Debian's libdeflate-dev: the checksums of zlib, several bytes with one instruction.
#include <libdeflate.h>
