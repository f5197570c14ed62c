/* Sends events to a Tidings daemon from a machine with sockets, and shows how the library is given a network, a clock,
 * chance and a file for its epoch.
 *
 *   cc -std=c99 -I.. posix.c ../tidings.c -o send && ./send 'used;aspect=lid' 'rating;aspect=door.sound;value=4'
 *
 * An event is its kind and what it says, with ; between: value (a number), word, flag (0 or 1), unit, text, lang,
 * customer, count, severity, scale, origin, time (milliseconds since 1970), cause, notice, method.
 *
 * Compiled with -DTIDINGS_DOWN=1024, it gets messages too, and does what they say (-g). */
#define _POSIX_C_SOURCE 200809L
#include "../tidings.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: send [option...] [event...]\n"
    "  -h HOST      the daemon's; 127.0.0.1\n"
    "  -p PORT      7411\n"
    "  -t           by TCP; without it by UDP\n"
    "  -s SOURCE    product/serial; kettle/k-1\n"
    "  -i NUMBER    the number of the key, as `tidings device add` has printed it\n"
    "  -k KEY       the key, the same\n"
    "  -T TOKEN     a token, for TCP\n"
    "  -e FILE      keeps the epoch; needed by a key over UDP\n"
    "  -f FILE      events, a line each\n"
    "  -n COUNT     sends so many events of a kind of their own, instead\n"
    "  -m BYTES     of memory for events that wait; 65536. More events than fit are waited for\n"
    "  -o           the oldest give way instead\n"
    "  -w SECONDS   waits so long before the first is sent\n"
    "  -r MS        the first pause before something is sent again; 2000\n"
    "  -l PERCENT   loses so much, in both directions: of datagrams; over TCP each time the connection breaks\n"
    "  -d SECONDS   gives up after so long; 120\n"
#if TIDINGS_DOWN
    "  -g SECONDS   prints the messages that come in so long, and says that they are shown, or applied\n"
#endif
    ;

/* The daemon's end: what the library hands back as `context`. */
typedef struct {
    const char *host, *port, *epoch_file;
    bool is_tcp;
    unsigned loss;
    int fd;
    uint32_t pause; /* for which nothing is due */
    tidings *device;
} network;

static void stop(const char *text, const char *what)
{
    fprintf(stderr, "send: %s%s\n", text, what);
    exit(1);
}

static uint32_t net_now(void *context)
{
    (void)context;
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint32_t)((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000);
}

static void net_random(void *context, uint8_t *bytes, size_t size)
{
    static FILE *source;
    (void)context;
    if (source == NULL) source = fopen("/dev/urandom", "rb");
    if (source == NULL || fread(bytes, 1, size, source) != size) stop("no random numbers", "");
}

/* Whether this one is lost. */
static bool is_lost(const network *net)
{
    uint16_t chance;
    if (net->loss == 0) return false;
    net_random(NULL, (uint8_t *)&chance, sizeof chance);
    return chance % 100 < net->loss;
}

static int net_open(void *context)
{
    network *net = context;
    if (net->fd < 0) {
        struct addrinfo hints = {.ai_socktype = net->is_tcp ? SOCK_STREAM : SOCK_DGRAM}, *found;
        if (getaddrinfo(net->host, net->port, &hints, &found) != 0) return -1;
        net->fd = socket(found->ai_family, found->ai_socktype, 0);
        int done = -1;
        if (net->fd >= 0) {
            fcntl(net->fd, F_SETFL, fcntl(net->fd, F_GETFL) | O_NONBLOCK);
            done = connect(net->fd, found->ai_addr, found->ai_addrlen);
        }
        freeaddrinfo(found);
        if (done == 0) return 1;
        return errno == EINPROGRESS ? 0 : -1;
    }
    struct pollfd ready = {.fd = net->fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 0) return 0;
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(net->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0 ? 1 : -1;
}

/* An error of a datagram (nobody listens there now) is as good as its loss. */
static int outcome(const network *net, ssize_t done)
{
    if (done >= 0) return (int)done;
    return !net->is_tcp || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

static int net_send(void *context, const uint8_t *bytes, size_t size)
{
    const network *net = context;
    if (is_lost(net)) {
        if (!net->is_tcp) return (int)size;
        send(net->fd, bytes, size / 2, MSG_NOSIGNAL);
        return -1;
    }
    return outcome(net, send(net->fd, bytes, size, MSG_NOSIGNAL));
}

static int net_receive(void *context, uint8_t *bytes, size_t size)
{
    const network *net = context;
    for (;;) {
        ssize_t done = recv(net->fd, bytes, size, 0);
        if (done == 0) return net->is_tcp ? -1 : 0;
        if (done < 0 || !is_lost(net)) return outcome(net, done);
        if (net->is_tcp) return -1;
    }
}

static void net_close(void *context)
{
    network *net = context;
    if (net->fd >= 0) close(net->fd);
    net->fd = -1;
}

static uint32_t epoch_load(void *context)
{
    const network *net = context;
    unsigned long epoch = 0;
    FILE *file = fopen(net->epoch_file, "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%lu", &epoch) != 1) stop("no epoch is in ", net->epoch_file);
    fclose(file);
    return (uint32_t)epoch;
}

/* Beside the old one first, so that a loss of power leaves one of both. */
static int epoch_store(void *context, uint32_t epoch)
{
    const network *net = context;
    char name[4096];
    snprintf(name, sizeof name, "%s.new", net->epoch_file);
    FILE *file = fopen(name, "w");
    if (file == NULL) return -1;
    bool works = fprintf(file, "%lu\n", (unsigned long)epoch) > 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    works = fclose(file) == 0 && works;
    return works && rename(name, net->epoch_file) == 0 ? 0 : -1;
}

static void print_verdict(void *context, uint32_t number, uint32_t code, const char *text, size_t length)
{
    (void)context;
    printf("{\"verdict\":{\"number\":%lu,\"code\":%lu,\"text\":\"%.*s\"}}\n", (unsigned long)number,
           (unsigned long)code, (int)length, text);
}

#if TIDINGS_DOWN
/* The `id` and the `type` of a message stand before what its author has written. */
static void take_message(void *context, const char *json, size_t length)
{
    const network *net = context;
    char text[TIDINGS_DOWN + TIDINGS_FRAME + 1], id[32];
    snprintf(text, sizeof text, "%.*s", (int)length, json);
    puts(text);
    const char *from = strstr(text, "\"id\":\"");
    if (from == NULL) return;
    snprintf(id, sizeof id, "%.*s", (int)strcspn(from + 6, "\""), from + 6);
    bool is_setting = strstr(text, "\"type\":\"setting\"") != NULL;
    tidings_event receipt = {.kind = TIDINGS_RECEIPT, .cause = id, .severity = 2};
    receipt.scale = is_setting ? 7 : 2; /* applied, shown */
    if (tidings_record(net->device, &receipt, NULL) != TIDINGS_OK) fputs("send: no room for a receipt\n", stderr);
}
#endif

/* 32 bytes in base64url. */
static void read_key(const char *text, uint8_t key[32])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    int count = 0;
    size_t size = 0;
    for (; *text != 0 && size < 32; text++) {
        const char *digit = strchr(digits, *text);
        if (digit == NULL) stop("not base64url: the key", "");
        bits = bits << 6 | (uint32_t)(digit - digits);
        if ((count += 6) >= 8) key[size++] = (uint8_t)(bits >> (count -= 8));
    }
    if (size != 32) stop("a key has 43 characters", "");
}

/* Reads an event from a line, which it takes to pieces. */
static tidings_event read_event(char *line)
{
    static const char *const kinds[] = {"", "preference", "rating", "used", "feedback", "fault", "state", "",
                                        "consent", "withdrawal", "receipt"};
    tidings_event event = {0};
    char *rest = NULL;
    const char *kind = strtok_r(line, ";", &rest);
    for (size_t i = 1; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kind != NULL && strcmp(kind, kinds[i]) == 0) event.kind = (uint8_t)i;
    }
    if (event.kind == 0) stop("no such kind: ", line);
    for (char *field; (field = strtok_r(NULL, ";", &rest)) != NULL;) {
        char *value = strchr(field, '=');
        if (value == NULL) stop("not name=value: ", field);
        *value++ = 0;
        const struct {
            const char *name;
            const char **string;
            uint8_t *number;
        } members[] = {
            {"aspect", &event.aspect, NULL}, {"word", &event.word, NULL},         {"unit", &event.unit, NULL},
            {"text", &event.text, NULL},     {"lang", &event.lang, NULL},         {"customer", &event.customer, NULL},
            {"cause", &event.cause, NULL},   {"notice", &event.notice, NULL},     {"method", &event.method, NULL},
            {"scale", NULL, &event.scale},   {"severity", NULL, &event.severity}, {"origin", NULL, &event.origin},
        };
        bool is_known = true;
        if (strcmp(field, "value") == 0 && strchr(value, '.') == NULL) {
            event.value = TIDINGS_WHOLE;
            event.whole = (int32_t)strtol(value, NULL, 10);
        } else if (strcmp(field, "value") == 0) {
            event.value = TIDINGS_REAL;
            event.real = strtof(value, NULL);
        } else if (strcmp(field, "flag") == 0) {
            event.value = TIDINGS_FLAG;
            event.flag = value[0] == '1';
        } else if (strcmp(field, "count") == 0) {
            event.count = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(field, "time") == 0) {
            event.time_ms = strtoull(value, NULL, 10);
        } else {
            is_known = false;
        }
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
            if (strcmp(field, members[i].name) != 0) continue;
            if (members[i].string != NULL) *members[i].string = value;
            if (members[i].number != NULL) *members[i].number = (uint8_t)strtoul(value, NULL, 10);
            is_known = true;
        }
        if (!is_known) stop("an event has no ", field);
        if (event.word != NULL) event.value = TIDINGS_WORD;
    }
    return event;
}

/* Where events come from: a file, the arguments, or made up. */
typedef struct {
    FILE *file;
    char **arguments;
    unsigned long count, made;
    char line[2048];
} source;

static bool next_event(source *from, tidings_event *event)
{
    if (from->made < from->count) {
        *event = (tidings_event){.kind = TIDINGS_USED, .aspect = "boil"};
        event->count = (uint32_t)(from->made++ % 3 + 1);
        return true;
    }
    if (from->file != NULL) {
        if (fgets(from->line, sizeof from->line, from->file) == NULL) return false;
    } else {
        if (*from->arguments == NULL) return false;
        snprintf(from->line, sizeof from->line, "%s", *from->arguments++);
    }
    from->line[strcspn(from->line, "\n")] = 0;
    *event = read_event(from->line);
    return true;
}

/* Sleeps until something is due or has arrived, and lets the library do it. */
static void run(tidings *device, network *net)
{
    struct pollfd socket = {.fd = net->fd, .events = POLLIN};
    poll(&socket, net->fd >= 0 ? 1 : 0, (int)(net->pause < 1000 ? net->pause : 1000));
    net->pause = tidings_run(device);
}

int main(int count, char **arguments)
{
    static tidings device;
    network net = {.host = "127.0.0.1", .port = "7411", .fd = -1};
    tidings_config config = {.source = "kettle/k-1", .agent = "posix.c/1", .memory_size = 65536, .context = &net,
        .open = net_open, .send = net_send, .receive = net_receive, .close = net_close, .now = net_now,
        .random = net_random, .verdict = print_verdict};
    source from = {0};
    uint8_t key[32];
    bool gives_way = false;
    unsigned long wait = 0, patience = 120, listens = 0;
    for (int option; (option = getopt(count, arguments, "h:p:ts:i:k:T:e:f:n:m:ow:r:l:d:g:")) != -1;) {
        unsigned long number = optarg == NULL ? 0 : strtoul(optarg, NULL, 10);
        switch (option) {
        case 'h': net.host = optarg; break;
        case 'p': net.port = optarg; break;
        case 't': net.is_tcp = true; break;
        case 's': config.source = optarg; break;
        case 'i': config.key_id = (uint32_t)number; break;
        case 'k': read_key(optarg, key); config.key = key; break;
        case 'T': config.token = optarg; break;
        case 'e': net.epoch_file = optarg; break;
        case 'f': from.file = fopen(optarg, "r"); if (from.file == NULL) stop("cannot read ", optarg); break;
        case 'n': from.count = number; break;
        case 'm': config.memory_size = number; break;
        case 'o': gives_way = true; break;
        case 'w': wait = number; break;
        case 'r': config.retry_ms = (uint32_t)number; break;
        case 'l': net.loss = (unsigned)number; break;
        case 'd': patience = number; break;
        case 'g': listens = number; break;
        default: fputs(usage, stderr); exit(64);
        }
    }
    from.arguments = arguments + optind;
    config.transport = net.is_tcp ? TIDINGS_TCP : TIDINGS_UDP;
    if (net.epoch_file != NULL) {
        config.load = epoch_load;
        config.store = epoch_store;
    }
    net.device = &device;
#if TIDINGS_DOWN
    config.message = take_message;
#else
    if (listens > 0) stop("compiled without TIDINGS_DOWN", "");
#endif
    config.memory = malloc(config.memory_size);
    int result = config.memory == NULL ? TIDINGS_INVALID : tidings_start(&device, &config);
    if (result != TIDINGS_OK) {
        fprintf(stderr, "send: tidings_start: %d (what that means stands in tidings.h)\n", result);
        exit(1);
    }
    uint32_t epoch = device.epoch, begun = net_now(NULL), most = (uint32_t)(config.memory_size / 128);
    tidings_event event;
    while (net_now(NULL) - begun < patience * 1000 && next_event(&from, &event)) {
        result = tidings_record(&device, &event, NULL);
        if (result != TIDINGS_OK) fprintf(stderr, "send: tidings_record: %d\n", result);
        net.pause = 0;
        while (!gives_way && tidings_waiting(&device) > most && net_now(NULL) - begun < patience * 1000) {
            run(&device, &net);
        }
    }
    for (uint32_t since = net_now(NULL); net_now(NULL) - since < wait * 1000;) poll(NULL, 0, 10);
#if TIDINGS_DOWN
    for (uint32_t since = net_now(NULL), asked = 0; net_now(NULL) - since < listens * 1000;) {
        if (asked * 500 <= net_now(NULL) - since) {
            asked++;
            tidings_ask(&device);
            net.pause = 0;
        }
        if (net.pause > 500) net.pause = 500;
        run(&device, &net);
    }
#endif
    while (tidings_waiting(&device) > 0 && net_now(NULL) - begun < patience * 1000) run(&device, &net);
    tidings_close(&device);
    const tidings_counts *counts = &device.counts;
    printf("{\"ack\":%lu,\"recorded\":%lu,\"waiting\":%lu,\"overwritten\":%lu,\"refused\":%lu,\"quarantined\":%lu,"
           "\"stale\":%lu,\"resent\":%lu,\"epoch\":%lu,\"first_epoch\":%lu}\n",
           (unsigned long)counts->stored, (unsigned long)counts->recorded, (unsigned long)tidings_waiting(&device),
           (unsigned long)counts->overwritten, (unsigned long)counts->refused, (unsigned long)counts->quarantined,
           (unsigned long)counts->stale, (unsigned long)counts->resent, (unsigned long)device.epoch,
           (unsigned long)epoch);
    if (from.file != NULL) fclose(from.file);
    free(config.memory);
    return counts->stored == counts->recorded ? 0 : 1;
}
