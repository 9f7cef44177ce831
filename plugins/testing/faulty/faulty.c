/* faulty.c - a plugin that does everything wrong, on demand: for the tests of the host. What goes wrong while it is loaded is
 * chosen by a macro, what goes wrong later by the option `fault`. Good rows go to the file `into`, one line per row.
 */
#define _POSIX_C_SOURCE 200809L
#define SMILES_PLUGIN_HELPERS
#ifdef NEEDS_MORE
#define SMILES_ABI_NEEDS 9
#endif
#include "smiles_plugin.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef NO_META
SMILES_META("faulty", "1.0.0", "MIT",
            "{\"role\":\"sink\",\"type\":\"faulty\",\"about\":\"fails on demand\"},"
            "{\"role\":\"transform\",\"type\":\"faulty\",\"about\":\"fails on demand\"},"
            "{\"role\":\"source\",\"type\":\"faulty\",\"about\":\"fails on demand\"}");
#else
static const char smiles_meta_text[] = "";
#endif

#ifdef CRASH_ON_LOAD
__attribute__((constructor)) static void crash(void) { *(volatile int *)8 = 1; }
#endif
#ifdef EXIT_ON_LOAD
__attribute__((constructor)) static void leave(void) {
  fputs("this library needs a dongle\n", stderr);
  exit(3);
}
#endif
#ifdef HANG_ON_LOAD
/* Says who hangs, in the file of this name, and waits for ever. */
__attribute__((constructor)) static void hang(void) {
  FILE *file = fopen(HANG_ON_LOAD, "w");
  if (file) {
    fprintf(file, "%ld\n", (long)getpid());
    fclose(file);
  }
  for (;;) poll(NULL, 0, -1);
}
#endif
#ifdef SAYS_WHO
/* Says in the file of this name which build of the library was loaded, and from where. */
__attribute__((constructor)) static void says_who(void) {
  char line[4096];
  FILE *maps = fopen("/proc/self/maps", "r"), *file = fopen(SAYS_WHO, "a");
  while (maps && file && fgets(line, sizeof line, maps))
    if (strstr(line, "libfaulty") || strstr(line, "memfd:")) fprintf(file, "%s %s", BUILD, line);
  if (maps) fclose(maps);
  if (file) fclose(file);
#ifdef SWAPPED_FOR
  /* Whoever loads the path again loads another file; the second time there is none any more. */
  if (rename(SWAPPED_FOR, SWAPPED) != 0) return;
#endif
}
#endif
#ifdef UNDEFINED
extern int nobody_has_this(void);
int uses_it(void) { return nobody_has_this(); }
#endif

typedef struct {
  const SmilesHost *host;
  char fault[32], into[1024];
  int calls;
  volatile int cancelled;
  char *text;
  size_t length;
  SmilesPosition last;
  int64_t rows;
} Faulty;

/* Across instances: a fault that is cured by another instance must not come back with it. */
static int done_once;

/* Passes that the instance before has made. */
static int done;

static int once(Faulty *self, const char *fault) {
  if (strcmp(self->fault, fault) != 0 || done_once) return 0;
  done_once = 1;
  return 1;
}

static SmilesStr options_schema(void) {
#ifdef BAD_SCHEMA
  return smiles_str("{\"type\": ");
#else
  return smiles_str(
      "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
      "\"fault\":{\"enum\":[\"none\",\"retry\",\"unknown\",\"unterminated\",\"silent\",\"stall\",\"reject\",\"lie\",\"halt\",\"open\","
      "\"columns\",\"null\",\"plan\",\"stranger\",\"few\",\"hang\",\"last\",\"beside\",\"scribble\",\"scale\",\"blind\","
      "\"exit\",\"thread_exit\",\"crash\",\"abort\",\"deep\",\"process\"],\"description\":\"what goes wrong, once\"},"
      "\"into\":{\"type\":\"string\",\"description\":\"where rows go\"}}}");
#endif
}

static void *leave_from_thread(void *nothing) {
  (void)nothing;
  exit(0);
}

/* Until the stack is full. */
static int deep(volatile char *above) {
  volatile char here[4096];
  here[0] = above == NULL ? 0 : above[0];
  if (here[0] == 1) return 0;
  return deep(here) + here[0];
}

/* What takes the whole process down. */
static void end_of_process(Faulty *self) {
  pthread_t thread;
  if (once(self, "exit")) exit(0);
  if (once(self, "crash")) *(volatile int *)8 = 1;
  if (once(self, "abort")) abort();
  if (once(self, "deep")) deep(NULL);
  if (once(self, "thread_exit") && pthread_create(&thread, NULL, leave_from_thread, NULL) == 0) pthread_join(thread, NULL);
}

/* What belongs to the whole process, changed for good. */
static void change_process(void) {
  signal(SIGTERM, SIG_IGN);
  signal(SIGINT, SIG_DFL);
  umask(0);
  if (chdir("/") != 0) abort();
}

/* What is wrong with this call; the first time it is made. */
static int32_t fault(Faulty *self, SmilesError *error) {
  end_of_process(self);
  if (once(self, "retry")) {
    error->code = 28;
    return smiles_fail(error, SMILES_RETRY, "the disk is full");
  }
  if (once(self, "unknown")) return smiles_fail(error, (SmilesStatus)77, "a status nobody knows");
  if (once(self, "unterminated")) {
    memset(error->message, 'x', sizeof error->message);
    error->message_len = UINT32_MAX;
    return SMILES_RETRY;
  }
  if (once(self, "silent")) return SMILES_RETRY;
  if (once(self, "halt")) return smiles_fail(error, SMILES_HALT, "the password is wrong");
  if (once(self, "stall")) {
    int waited;
    for (waited = 0; waited < 3000 && !self->cancelled; waited++) poll(NULL, 0, 10);
    return smiles_fail(error, SMILES_RETRY, "it was cancelled");
  }
  if (once(self, "hang")) poll(NULL, 0, 30000);
  return SMILES_OK;
}

static int32_t faulty_open(const SmilesHost *host, SmilesStr pipeline, SmilesStr stage, SmilesStr options, void **self,
                           SmilesError *error) {
  Faulty *made = calloc(1, sizeof *made);
  (void)pipeline;
  (void)stage;
  made->host = host;
  made->calls = done;
  smiles_option_text(options, "fault", made->fault, sizeof made->fault);
  smiles_option_text(options, "into", made->into, sizeof made->into);
  if (strcmp(made->fault, "process") == 0) change_process();
  if (strcmp(made->fault, "open") == 0) {
    free(made);
    return smiles_fail(error, SMILES_HALT, "the licence has run out");
  }
  *self = strcmp(made->fault, "null") == 0 ? NULL : (void *)made;
  if (*self == NULL) free(made);
  return SMILES_OK;
}

static int32_t faulty_write(void *self, struct ArrowArray *in, const SmilesPosition *position, SmilesError *error) {
  Faulty *faulty = self;
  const struct ArrowArray *numbers = in->children[2];
  int64_t row;
  (void)error;
  for (row = 0; row < in->length; row++) {
    int64_t at = in->offset + numbers->offset + row;
    faulty->text = realloc(faulty->text, faulty->length + 32);
    faulty->length += (size_t)sprintf(faulty->text + faulty->length, "%lld\n", (long long)((const int64_t *)numbers->buffers[1])[at]);
  }
  faulty->rows = in->length;
  if (strcmp(faulty->fault, "scribble") == 0)
    for (row = 0; row < in->length; row++) ((int64_t *)(uintptr_t)numbers->buffers[1])[in->offset + numbers->offset + row] = 666;
  in->release(in);
  faulty->last = *position;
  return SMILES_OK;
}

static int32_t faulty_flush(void *self, uint32_t deadline_ms, SmilesPosition *durable, SmilesError *error) {
  Faulty *faulty = self;
  int32_t status = fault(faulty, error);
  FILE *file;
  (void)deadline_ms;
  if (status == SMILES_OK && once(faulty, "reject")) {
    faulty->host->reject(faulty->host->ctx, faulty->last.seq, 0, smiles_str("E42"), smiles_str("the first row is odd"));
    status = smiles_fail(error, SMILES_REJECT, "a row is odd");
  }
  if (status == SMILES_OK && once(faulty, "stranger")) {
    faulty->host->reject(faulty->host->ctx, faulty->last.seq + 99, 0, smiles_str(""), smiles_str(""));
    status = smiles_fail(error, SMILES_REJECT, "a row of another batch is odd");
  }
  if (status != SMILES_OK) {
    faulty->length = 0;
    faulty->last.seq = 0;
    return status;
  }
  if (faulty->last.seq == 0) return SMILES_OK;
  if (once(faulty, "lie")) {
    *durable = faulty->last;
    durable->seq += 7;
    faulty->length = 0;
    faulty->last.seq = 0;
    return SMILES_OK;
  }
  file = fopen(faulty->into, "a");
  fwrite(faulty->text, 1, faulty->length, file);
  fclose(file);
  *durable = faulty->last;
  faulty->length = 0;
  faulty->last.seq = 0;
  return SMILES_OK;
}

static int32_t sink_bind(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)self;
  (void)in;
  (void)out;
  (void)error;
  return SMILES_OK;
}

static int32_t same_columns(const struct ArrowSchema *in, struct ArrowSchema *out) {
  int64_t child;
  if (in == NULL || out == NULL) return SMILES_OK;
  smiles_schema_new(out);
  for (child = 0; child < in->n_children; child++) smiles_schema_add_copy(out, in->children[child]);
  return SMILES_OK;
}

static int32_t transform_plan(SmilesStr options, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  char name[32] = "";
  smiles_option_text(options, "fault", name, sizeof name);
  if (strcmp(name, "plan") == 0) return smiles_fail(error, SMILES_HALT, "the column `watt` is not there");
  return same_columns(in, out);
}

static int32_t transform_bind(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)error;
  same_columns(in, out);
  if (strcmp(((Faulty *)self)->fault, "columns") == 0) smiles_schema_add(out, "surprise", "l", 1, NULL);
  return SMILES_OK;
}

static int32_t transform_apply(void *self, struct ArrowArray *in, struct ArrowArray *out, SmilesError *error) {
  Faulty *faulty = self;
  int32_t status = fault(faulty, error);
  if (status != SMILES_OK || once(faulty, "lie")) {
    in->release(in);
    return status;
  }
  if (strcmp(faulty->fault, "reject") == 0) {
    const struct ArrowArray *numbers = in->children[2];
    int64_t row, rejected = 0;
    for (row = 0; row < in->length; row++) {
      if (((const int64_t *)numbers->buffers[1])[in->offset + numbers->offset + row] % 7 != 0) continue;
      faulty->host->reject(faulty->host->ctx, 0, (uint64_t)row, smiles_str("E7"), smiles_str("sevens are odd"));
      rejected++;
    }
    if (rejected > 0) {
      in->release(in);
      return smiles_fail(error, SMILES_REJECT, "rows are odd");
    }
  }
  if (strcmp(faulty->fault, "scale") == 0) {
    const struct ArrowArray *numbers = in->children[2];
    int64_t row;
    for (row = 0; row < in->length; row++) ((int64_t *)(uintptr_t)numbers->buffers[1])[in->offset + numbers->offset + row] *= 10;
    if (once(faulty, "scale")) {
      in->release(in);
      return smiles_fail(error, SMILES_RETRY, "not yet");
    }
  }
  *out = *in;
  in->release = NULL;
  if (once(faulty, "few")) out->n_children--;
  if (strcmp(faulty->fault, "blind") == 0) {
    int64_t child;
    for (out->offset = child = 0; child < out->n_children; child++) {
      out->children[child]->offset = 0;
      out->children[child]->null_count = -1;
    }
  }
  return SMILES_OK;
}

static int32_t source_columns(struct ArrowSchema *out) {
  smiles_schema_new(out);
  smiles_schema_add(out, "id", "l", 0, NULL);
  return SMILES_OK;
}

static int32_t source_plan(SmilesStr options, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)options;
  (void)in;
  (void)error;
  return source_columns(out);
}

static int32_t source_bind(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)self;
  (void)in;
  (void)error;
  return source_columns(out);
}

static int32_t source_next(void *self, uint32_t timeout_ms, struct ArrowArray *out, SmilesError *error) {
  Faulty *faulty = self;
  int64_t *value;
  int32_t status = fault(faulty, error);
  (void)timeout_ms;
  if (status != SMILES_OK) return status;
  if (faulty->calls == 20 && strcmp(faulty->fault, "last") != 0) return SMILES_END;
  value = malloc(sizeof *value);
  *value = faulty->calls++;
  smiles_rows_new(out, 1);
  smiles_rows_add(out, 0, 2, NULL, value, NULL);
  if (once(faulty, "few")) out->children[0]->n_buffers = 1;
  if (once(faulty, "beside")) {
    error->flags = SMILES_ERROR_REOPEN;
    done = faulty->calls;
    return smiles_fail(error, SMILES_RETRY, "half of the device is dark");
  }
  return faulty->calls == 21 ? SMILES_END : SMILES_OK;
}

static void faulty_cancel(void *self) { ((Faulty *)self)->cancelled = 1; }

static void faulty_close(void **self) {
  if (*self != NULL) free(((Faulty *)*self)->text);
  free(*self);
  *self = NULL;
}

#ifdef NEWER
/* What a later minor version might look like: members this host does not know. */
typedef struct {
  SmilesStage stage;
  int32_t (*later)(void *self);
  uint64_t more[4];
} Stage;
#define STAGE(...) {{__VA_ARGS__}, NULL, {1, 2, 3, 4}}
#else
typedef struct {
  SmilesStage stage;
} Stage;
#define STAGE(...) {{__VA_ARGS__}}
#endif
#ifdef TOO_SMALL
#define SIZE 64
#else
#define SIZE sizeof(Stage)
#endif
#ifdef NO_FLUSH
#define FLUSH (0 ? faulty_flush : NULL)
#else
#define FLUSH faulty_flush
#endif

static const Stage sink = STAGE(.struct_size = SIZE, .role = SMILES_SINK, .type_name = {"faulty", 6}, .options_schema = options_schema,
                                .open = faulty_open, .bind = sink_bind, .write = faulty_write, .flush = FLUSH,
                                .cancel = faulty_cancel, .close = faulty_close);
static const Stage transform = STAGE(.struct_size = SIZE, .role = SMILES_TRANSFORM, .type_name = {"faulty", 6},
                                     .options_schema = options_schema, .plan = transform_plan, .open = faulty_open,
                                     .bind = transform_bind, .apply = transform_apply, .cancel = faulty_cancel, .close = faulty_close);
static const Stage source = STAGE(.struct_size = SIZE, .role = SMILES_SOURCE, .type_name = {"faulty", 6},
                                  .flags = SMILES_STREAMED, .options_schema = options_schema, .plan = source_plan,
                                  .open = faulty_open, .bind = source_bind, .next = source_next, .cancel = faulty_cancel,
                                  .close = faulty_close);
static const SmilesStage *const stages[] = {&sink.stage, &transform.stage, &source.stage};
static const SmilesPlugin plugin = {sizeof(SmilesPlugin), SMILES_ABI_MINOR, SMILES_META_STR, stages, 3, 0};

#ifdef MAJOR_2
SMILES_EXPORT const SmilesPlugin *smiles_plugin_v2(uint32_t host_minor);
#define smiles_plugin_v1 smiles_plugin_v2
#endif
const SmilesPlugin *smiles_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
#ifdef RETURNS_NULL
  (void)plugin;
  return NULL;
#else
  return &plugin;
#endif
}
