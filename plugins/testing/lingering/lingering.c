/* lingering.c - a sink whose threads outlive it: each instance starts some that call the host until the process ends. For the
 * tests of the host.
 */
#define _POSIX_C_SOURCE 200809L
#define SMILES_PLUGIN_HELPERS
#include "smiles_plugin.h"

#include <poll.h>
#include <pthread.h>

SMILES_META("lingering", "1.0.0", "MIT",
            "{\"role\":\"sink\",\"type\":\"lingering\",\"about\":\"leaves threads behind\",\"metrics\":[{\"name\":\"lingering_calls\",\"help\":\"Calls.\"}]}");

enum { THREADS = 4, CALLS = 2000 };

typedef struct {
  SmilesPosition last;
} Sink;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Instances closed, and calls to the host since the first of them was. */
static int closed, calls_since, opened;

static void *linger(void *argument) {
  const SmilesHost *host = argument;
  int told = 0, since;
  for (;;) {
    /* The mutex orders this after the `close` that it may have outlived. */
    pthread_mutex_lock(&lock);
    since = closed;
    calls_since += closed > 0;
    pthread_mutex_unlock(&lock);
    host->metric_add(host->ctx, 0, 1);
    (void)host->now_us(host->ctx);
    host->log(host->ctx, SMILES_LOG_TRACE, smiles_str("still here"));
    /* Others are to have their turn on a busy machine: the end of the pipeline waits for a thread only so long. */
    if (since > 0) poll(NULL, 0, 1);
    if (host->cancelled(host->ctx) && since > 1 && !told) {
      host->log(host->ctx, SMILES_LOG_INFO, smiles_str("a thread of a closed instance is told that nobody waits"));
      told = 1;
      pthread_mutex_lock(&lock);
      closed += 1000;
      pthread_mutex_unlock(&lock);
    }
  }
  return NULL;
}

static SmilesStr options_schema(void) { return smiles_str("{\"type\":\"object\",\"additionalProperties\":false}"); }

static int32_t sink_open(const SmilesHost *host, SmilesStr pipeline, SmilesStr stage, SmilesStr options, void **self,
                         SmilesError *error) {
  int thread;
  (void)pipeline, (void)stage, (void)options;
  *self = calloc(1, sizeof(Sink));
  if (*self == NULL) return smiles_fail(error, SMILES_RETRY, "out of memory");
  opened++;
  for (thread = 0; thread < THREADS; thread++) {
    pthread_t id;
    if (pthread_create(&id, NULL, linger, (void *)(uintptr_t)host) == 0) pthread_detach(id);
  }
  return SMILES_OK;
}

static int32_t sink_bind(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)self, (void)in, (void)out, (void)error;
  return SMILES_OK;
}

static int32_t sink_write(void *self, struct ArrowArray *in, const SmilesPosition *position, SmilesError *error) {
  (void)error;
  ((Sink *)self)->last = *position;
  in->release(in);
  return SMILES_OK;
}

/* The first instance asks for another one; that one waits until the threads of the first have called often. */
static int32_t sink_flush(void *self, uint32_t deadline_ms, SmilesPosition *durable, SmilesError *error) {
  int calls = 0;
  (void)deadline_ms;
  if (((Sink *)self)->last.seq == 0) return SMILES_OK;
  if (opened == 1) {
    error->flags = SMILES_ERROR_REOPEN;
    return smiles_fail(error, SMILES_RETRY, "another instance, please");
  }
  while (calls < CALLS) {
    pthread_mutex_lock(&lock);
    calls = calls_since;
    pthread_mutex_unlock(&lock);
    poll(NULL, 0, 1);
  }
  *durable = ((Sink *)self)->last;
  ((Sink *)self)->last.seq = 0;
  return SMILES_OK;
}

static void sink_close(void **self) {
  int last, heard = 0, waited;
  if (*self == NULL) return;
  pthread_mutex_lock(&lock);
  last = ++closed > 1;
  pthread_mutex_unlock(&lock);
  /* The end of the pipeline: a thread hears of it. */
  for (waited = 0; last && !heard && waited < 900; waited++) {
    poll(NULL, 0, 1);
    pthread_mutex_lock(&lock);
    heard = closed >= 1000;
    pthread_mutex_unlock(&lock);
  }
  free(*self);
  *self = NULL;
}

static const SmilesStage sink = {.struct_size = sizeof(SmilesStage), .role = SMILES_SINK, .type_name = {"lingering", 9},
                                 .options_schema = options_schema, .open = sink_open, .bind = sink_bind, .write = sink_write,
                                 .flush = sink_flush, .close = sink_close};
static const SmilesStage *const stages[] = {&sink};
static const SmilesPlugin plugin = {sizeof(SmilesPlugin), SMILES_ABI_MINOR, SMILES_META_STR, stages, 1, 0};

const SmilesPlugin *smiles_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
