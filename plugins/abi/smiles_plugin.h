/* smiles_plugin.h - the plugin ABI of S-Miles, major version 1.
 *
 * A plugin is one shared library that exports one symbol, `smiles_plugin_v1`, and carries one section, `.smiles_meta`.
 * It adds stage types (sources, transforms, sinks) to pipelines. This file needs nothing but a C99 compiler.
 *
 * Stability: this file is append-only. A member is never moved, removed or given another meaning; new ones come at the
 * end of a struct, and every struct the two sides exchange begins with its size. Whoever reads a struct reads no more
 * than that size; a function pointer that is absent or NULL is a capability that is absent.
 *
 * Rules that hold for every function below:
 *
 *   Ownership    What one side allocates, that side frees. Nothing is freed by the other side's allocator: Arrow data
 *                carries its own `release`, everything else is borrowed for the length of the call. Whoever owns an
 *                Arrow struct releases it, or moves it: copies the struct and sets `release` of the original to NULL.
 *   Text         SmilesStr: UTF-8, a length, no terminator needed, valid during the call unless said otherwise.
 *   Threads      Calls for one instance come one at a time, from any thread. Calls for different instances of a type
 *                come at the same time. The one exception is `cancel`. A call may block.
 *   Errors       The return value is a SmilesStatus; the host fills in the SmilesError before the call (all zero but
 *                struct_size), the plugin writes what it knows. A status that is not listed counts as SMILES_RETRY:
 *                an unknown error never loses a row.
 *   Exceptions   Nothing unwinds across this line: no C++ exception, no Rust panic, no longjmp.
 *   NULL         A pointer is never NULL unless its comment says so.
 *   Lifetime     A library once loaded is never unloaded before the process ends.
 */
#ifndef SMILES_PLUGIN_H
#define SMILES_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SMILES_ABI_MAJOR 1
#define SMILES_ABI_MINOR 0

/* ---------------------------------------------------------------------------------------------------------------
 * Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html), verbatim.
 *
 * Rows cross as a struct array: one child per column, in the order of the schema. The types of ABI 1, by `format`:
 *   b bool; c s i l int8..int64; C S I L uint8..uint64; f g float, double; u utf8; z binary; tsu:UTC timestamp in us
 * Field metadata may hold `unit` ("W", "0.1 V") and `kind` ("gauge", "counter", "state").
 * A reader must expect: an `offset` in the struct and in each child, no validity bitmap (buffers[0] NULL) where nothing
 * is null, null_count -1 (not counted), no rows at all (data buffers may then be NULL), buffers aligned to 8 bytes.
 */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};
#endif /* ARROW_C_DATA_INTERFACE */

/* ---------------------------------------------------------------------------------------------------------------
 * Values
 */

/* Borrowed UTF-8. `ptr` may be NULL where `len` is 0. */
typedef struct {
  const char *ptr;
  size_t len;
} SmilesStr;

/* What a call came to, and so what the host does next. */
typedef enum {
  SMILES_OK = 0,
  SMILES_RETRY = 1,  /* the same again later; the right answer to everything unknown                            */
  SMILES_REJECT = 2, /* rows named with host->reject can never be taken: they are set aside, the rest comes again */
  SMILES_HALT = 3,   /* nothing helps until a person acts (a wrong password); nothing is dropped                 */
  SMILES_END = 4     /* `next` only: there will never be more rows than those it comes with                      */
} SmilesStatus;

#define SMILES_MESSAGE_MAX 512

/* SmilesError.flags: the instance is in no state to be called again; the host closes it and opens another. */
#define SMILES_ERROR_REOPEN 1u

/* Owned by the host, so that an error never outlives the library that wrote it. */
typedef struct {
  uint32_t struct_size;
  uint32_t flags;           /* SMILES_ERROR_...                                                                   */
  int32_t code;             /* the plugin's own number; 0: none                                                   */
  uint32_t retry_after_ms;  /* with SMILES_RETRY: not before; 0: when the host sees fit                           */
  uint32_t message_len;     /* bytes of `message` in use; what is above SMILES_MESSAGE_MAX is ignored             */
  uint32_t reserved;        /* 0                                                                                  */
  char message[SMILES_MESSAGE_MAX]; /* UTF-8, lower case, no full stop: what is wrong, where, what to do. No secrets. */
} SmilesError;

/* Where a batch stands in the journal: positions of one run are ordered by seq, from 1. */
typedef struct {
  uint8_t run[16];
  uint64_t seq;
} SmilesPosition;

/* What a target itself says is durable there. */
typedef struct {
  uint8_t target[16]; /* random, made when the plugin first writes to the target, and kept in it                 */
  uint64_t seq;       /* the highest seq of the run; 0: none                                                     */
} SmilesWatermark;

enum { SMILES_LOG_ERROR = 1, SMILES_LOG_WARN = 2, SMILES_LOG_INFO = 3, SMILES_LOG_DEBUG = 4, SMILES_LOG_TRACE = 5 };

/* ---------------------------------------------------------------------------------------------------------------
 * What the host offers an instance. Valid from `open` until `close` returns; `ctx` is passed back unchanged.
 * `log`, `metric_add`, `now_us` and `cancelled` may be called from any thread; the others only from within a call.
 * A thread that outlives `close` may still call those four: the host keeps table and `ctx` until the process ends.
 */
typedef struct SmilesHost {
  uint32_t struct_size;
  uint32_t abi_minor; /* the host's                                                                              */
  void *ctx;

  /* Writes to the host's log, with the names of plugin, pipeline and stage. `level`: SMILES_LOG_... */
  void (*log)(void *ctx, uint32_t level, SmilesStr message);

  /* Adds to the counter that the metadata declares at place `metric`, from 0. Negative or unknown: ignored. */
  void (*metric_add)(void *ctx, uint32_t metric, double amount);

  /* Microseconds since 1970, UTC. Within `apply`: the latest `time` of the rows, so that a replay gives the same. */
  int64_t (*now_us)(void *ctx);

  /* 1 once the host no longer waits for the call in progress, else 0. A long call asks now and then. */
  uint32_t (*cancelled)(void *ctx);

  /* `apply` only. Keyed memory, durable with the batch that changes it and forgotten if `apply` fails.
   * get: 1 found, 0 there is none, -1 not now. In: *len is the room in `buf`; out: the value's length. Nothing is
   * copied where the room is too small: ask again with more. `buf` may be NULL where *len is 0.
   * put: 0 taken, -1 not now. The value is copied. */
  int32_t (*state_get)(void *ctx, SmilesStr key, uint8_t *buf, size_t *len);
  int32_t (*state_put)(void *ctx, SmilesStr key, const uint8_t *value, size_t len);

  /* Before `write`, `flush` or `apply` return SMILES_REJECT: names a row that can never be taken, from 0 within the batch
   * as it was given. `seq`: the batch (in `apply`: 0). `code` is a short word, `reason` a sentence without cell values. */
  void (*reject)(void *ctx, uint64_t seq, uint64_t row, SmilesStr code, SmilesStr reason);

  /* Within `next`: something failed although rows come. Counted and shown as an error of the source. */
  void (*fault)(void *ctx, SmilesStr message);
} SmilesHost;

/* ---------------------------------------------------------------------------------------------------------------
 * A stage type. Static: valid for the life of the process.
 */
enum { SMILES_SOURCE = 1, SMILES_TRANSFORM = 2, SMILES_SINK = 3 };

/* SmilesStage.flags: a source that is asked again at once and waits by itself; else it is asked once per `every:`. */
#define SMILES_STREAMED 1u

typedef struct SmilesStage {
  uint32_t struct_size;
  uint32_t role; /* SMILES_SOURCE, SMILES_TRANSFORM or SMILES_SINK                                               */
  SmilesStr type_name; /* the `type:` it adds: lower-case letters, digits and `_`; static                        */
  uint32_t flags;
  uint32_t reserved; /* 0 */

  /* JSON Schema (2020-12) of the options: an object. Static text. Called in a child process only. NULL: no options. */
  SmilesStr (*options_schema)(void);

  /* Checks options beyond their schema and says the columns that leave for the columns that enter. No effects: called in
   * a child process only, possibly often, without an instance.
   *   options  JSON, valid by the schema
   *   in       borrowed; NULL for a source, and for the others while the columns are not known yet
   *   out      source and (with `in`) transform: filled in by the plugin, released by the host; else NULL
   * SMILES_OK, or any error; the message is shown at the stage's place in the file.
   * Required of sources and transforms; NULL for a sink: any columns will do. */
  int32_t (*plan)(SmilesStr options, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error);

  /* Makes an instance. What is local may fail here; connecting belongs to the first call that needs it.
   *   host     valid until `close` returns
   *   self     out: the instance; NULL where it failed */
  int32_t (*open)(const SmilesHost *host, SmilesStr pipeline, SmilesStr stage, SmilesStr options, void **self,
                  SmilesError *error);

  /* The columns, once, after `open` and before any row. `in` and `out` as in `plan`: `in` is NULL for a source and valid
   * during the call only, `out` is NULL for a sink. What it says must be what `plan` said. */
  int32_t (*bind)(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error);

  /* Source. One pass: rows in `out`, or SMILES_OK with out->release NULL: nothing this time. Returns within about
   * `timeout_ms`. What was returned is not lost; what was not may be asked for again. Rows are taken whatever the status:
   * with SMILES_END they are the last ones, with an error the rest of a pass that failed in part. */
  int32_t (*next)(void *self, uint32_t timeout_ms, struct ArrowArray *out, SmilesError *error);

  /* Source, may be NULL. Everything returned so far is durable in the journal. */
  int32_t (*commit)(void *self, const SmilesPosition *position, SmilesError *error);

  /* Transform. The callee owns `in` and releases it, also when it fails; its buffers are for reading only, as always with
   * the C data interface. Rows named with `reject` become dead letters as they are in `in`. No I/O, no clock, nothing
   * random: the same rows and the same state give the same rows. `out` is filled in where it succeeds. */
  int32_t (*apply)(void *self, struct ArrowArray *in, struct ArrowArray *out, SmilesError *error);

  /* Sink. Takes rows: accepted, not yet durable. The callee owns `in` and releases it, also when it fails, at the latest
   * in `close`; its buffers are for reading only. Batches come in order, and consecutive between two flushes.
   * After any error of `write` or `flush` the plugin has forgotten everything since the last good flush: it comes again. */
  int32_t (*write)(void *self, struct ArrowArray *in, const SmilesPosition *position, SmilesError *error);

  /* Sink. Makes everything written durable. `durable`: out, the position of the last batch that is; left alone where
   * nothing was written. Never says more than is true: the journal deletes what it says.
   * After `deadline_ms` the host stops waiting, calls `cancel`, and counts the call as failed. */
  int32_t (*flush)(void *self, uint32_t deadline_ms, SmilesPosition *durable, SmilesError *error);

  /* Sink, NULL for one that keeps none (rows may arrive twice after a crash). What the target says of this run. Rows and
   * watermark must be written in one transaction. The first call after any doubt: forget what was not flushed. */
  int32_t (*watermark)(void *self, const uint8_t run[16], SmilesWatermark *out, SmilesError *error);

  /* Sink, may be NULL. The journal has forgotten these runs, `count` times 16 bytes: their watermarks may go. */
  int32_t (*forget)(void *self, const uint8_t *runs, size_t count, SmilesError *error);

  /* May be NULL. The call in progress should return soon, with any error. The only function that is called while another
   * one runs; never after `close` began. */
  void (*cancel)(void *self);

  /* Ends the instance: what was not flushed is dropped. Sets *self to NULL; with *self NULL it does nothing. */
  void (*close)(void **self);
} SmilesStage;

/* ---------------------------------------------------------------------------------------------------------------
 * The library
 */
typedef struct SmilesPlugin {
  uint32_t struct_size;
  uint32_t abi_minor; /* of the header it was built with                                                         */
  SmilesStr meta;     /* the text of the section `.smiles_meta`                                                   */
  const SmilesStage *const *stages;
  uint32_t stage_count;
  uint32_t reserved; /* 0 */
} SmilesPlugin;

#if defined(_WIN32)
#define SMILES_EXPORT __declspec(dllexport)
#else
#define SMILES_EXPORT __attribute__((visibility("default")))
#endif

/* The only exported symbol. No effects beyond what loading needs. NULL: cannot work with this host. Static. */
SMILES_EXPORT const SmilesPlugin *smiles_plugin_v1(uint32_t host_minor);

/* ---------------------------------------------------------------------------------------------------------------
 * Metadata: JSON in a section of the file, read before any code of the plugin runs.
 *
 *   SMILES_META("my_plugin", "1.0.0", "MIT",
 *       "{\"role\":\"sink\",\"type\":\"my_sink\",\"about\":\"writes somewhere\"}");
 *
 * Name, version, licence (SPDX), then the stages, comma separated. Another key of a stage: "metrics", a list of
 * {"name": "my_rows", "help": "..."} in the order that `metric_add` counts them. SmilesPlugin.meta is SMILES_META_STR.
 * Define SMILES_ABI_NEEDS before including this file if the plugin cannot do without a later minor version of the host.
 */
#ifndef SMILES_ABI_NEEDS
#define SMILES_ABI_NEEDS 0
#endif

#if defined(__x86_64__)
#define SMILES_ARCH "x86_64"
#elif defined(__aarch64__)
#define SMILES_ARCH "aarch64"
#elif defined(__arm__)
#define SMILES_ARCH "arm"
#elif defined(__riscv)
#define SMILES_ARCH "riscv64"
#else
#define SMILES_ARCH "unknown"
#endif

#if defined(__GLIBC__)
#define SMILES_LIBC "gnu"
#elif defined(__linux__)
#define SMILES_LIBC "musl"
#else
#define SMILES_LIBC ""
#endif

#if defined(__linux__)
#define SMILES_OS "linux"
#define SMILES_SECTION __attribute__((section(".smiles_meta"), used, aligned(1)))
#elif defined(__APPLE__)
#define SMILES_OS "macos"
#define SMILES_SECTION __attribute__((section("__DATA,__smiles_meta"), used, aligned(1)))
#else
#define SMILES_OS "other"
#define SMILES_SECTION
#endif

#define SMILES_TEXT_(x) #x
#define SMILES_TEXT(x) SMILES_TEXT_(x)

#define SMILES_META(name, version, license, stages)                                                                   \
  SMILES_SECTION static const char smiles_meta_text[] =                                                               \
      "{\"smiles_plugin\":1,\"abi\":{\"major\":" SMILES_TEXT(SMILES_ABI_MAJOR) ",\"minor\":" SMILES_TEXT(             \
          SMILES_ABI_MINOR) ",\"needs\":" SMILES_TEXT(SMILES_ABI_NEEDS) "},\"name\":\"" name                          \
      "\",\"version\":\"" version "\",\"license\":\"" license "\",\"arch\":\"" SMILES_ARCH "\",\"os\":\"" SMILES_OS   \
      "\",\"libc\":\"" SMILES_LIBC "\",\"panic\":\"none\",\"stages\":[" stages "]}"

/* For SmilesPlugin.meta: { smiles_meta_text, sizeof smiles_meta_text - 1 } */
#define SMILES_META_STR                                                                                               \
  { smiles_meta_text, sizeof smiles_meta_text - 1 }

/* ---------------------------------------------------------------------------------------------------------------
 * Helpers, no part of the ABI: compiled into the plugin that defines SMILES_PLUGIN_HELPERS before this file is included.
 * They need the C library; they keep no state and any of them may be left unused.
 */
#ifdef SMILES_PLUGIN_HELPERS

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define SMILES_HELPER static __attribute__((unused))
#else
#define SMILES_HELPER static
#endif

/* A text of C as one of the ABI. */
SMILES_HELPER SmilesStr smiles_str(const char *text) {
  SmilesStr all;
  all.ptr = text;
  all.len = strlen(text);
  return all;
}

/* Writes a message, as printf does, and returns `status`: `return smiles_fail(error, SMILES_RETRY, "disk full")`. */
SMILES_HELPER int32_t smiles_fail(SmilesError *error, SmilesStatus status, const char *format, ...) {
  va_list values;
  int length;
  va_start(values, format);
  length = vsnprintf(error->message, SMILES_MESSAGE_MAX, format, values);
  va_end(values);
  if (length < 0) length = 0;
  if (length >= SMILES_MESSAGE_MAX) {
    length = SMILES_MESSAGE_MAX - 1;
    while (length > 0 && ((unsigned char)error->message[length] & 0xC0) == 0x80) length--;
  }
  error->message_len = (uint32_t)length;
  return (int32_t)status;
}

SMILES_HELPER const char *smiles_json_space_(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

SMILES_HELPER const char *smiles_json_string_(const char *at, const char *end) {
  if (at == end || *at != '"') return NULL;
  for (at++; at < end && (unsigned char)*at >= 0x20; at++) {
    if (*at == '"') return at + 1;
    if (*at == '\\' && ++at == end) return NULL;
  }
  return NULL;
}

/* The place after a value of JSON; NULL: there is none. */
SMILES_HELPER const char *smiles_json_value_(const char *at, const char *end, int depth) {
  char close;
  at = smiles_json_space_(at, end);
  if (at == end || depth > 32) return NULL;
  if (*at == '"') return smiles_json_string_(at, end);
  if (*at != '{' && *at != '[') {
    const char *start = at;
    while (at < end && ((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '-' || *at == '+' ||
                        *at == '.' || *at == 'E'))
      at++;
    return at > start ? at : NULL;
  }
  close = *at == '{' ? '}' : ']';
  at = smiles_json_space_(at + 1, end);
  if (at < end && *at == close) return at + 1;
  for (;;) {
    if (close == '}') {
      at = smiles_json_string_(smiles_json_space_(at, end), end);
      if (at == NULL) return NULL;
      at = smiles_json_space_(at, end);
      if (at == end || *at != ':') return NULL;
      at++;
    }
    at = smiles_json_value_(at, end, depth + 1);
    if (at == NULL) return NULL;
    at = smiles_json_space_(at, end);
    if (at == end) return NULL;
    if (*at == close) return at + 1;
    if (*at != ',') return NULL;
    at = smiles_json_space_(at + 1, end);
  }
}

/* The JSON of an option: 1 and `value`, 0: it is not there, -1: the options are no map. */
SMILES_HELPER int smiles_option(SmilesStr options, const char *key, SmilesStr *value) {
  const char *at = options.ptr, *end, *name, *start;
  int found = 0;
  if (at == NULL) return -1;
  end = at + options.len;
  at = smiles_json_space_(at, end);
  start = smiles_json_value_(at, end, 0);
  if (at == end || *at != '{' || start == NULL || smiles_json_space_(start, end) != end) return -1;
  at = smiles_json_space_(at + 1, end);
  while (at < end && *at == '"') {
    name = at + 1;
    at = smiles_json_string_(at, end);
    if ((size_t)(at - 1 - name) == strlen(key) && memcmp(name, key, strlen(key)) == 0) found = 1;
    at = smiles_json_space_(at, end) + 1;
    start = smiles_json_space_(at, end);
    at = smiles_json_value_(start, end, 0);
    if (found) {
      value->ptr = start;
      value->len = (size_t)(at - start);
      return 1;
    }
    at = smiles_json_space_(at, end);
    if (at < end && *at == ',') at = smiles_json_space_(at + 1, end);
  }
  return 0;
}

SMILES_HELPER uint32_t smiles_hex4_(const char *at) {
  uint32_t value = 0;
  int digit;
  for (digit = 0; digit < 4; digit++, at++) {
    value *= 16;
    if (*at >= '0' && *at <= '9') value += (uint32_t)(*at - '0');
    if (*at >= 'a' && *at <= 'f') value += (uint32_t)(*at - 'a' + 10);
    if (*at >= 'A' && *at <= 'F') value += (uint32_t)(*at - 'A' + 10);
  }
  return value;
}

/* A text option into `into`, ended by zero: 1, 0: it is not there, -1: it is no text or does not fit. */
SMILES_HELPER int smiles_option_text(SmilesStr options, const char *key, char *into, size_t room) {
  SmilesStr value;
  const char *at, *end;
  size_t length = 0;
  int found = smiles_option(options, key, &value);
  if (found != 1) return found;
  if (value.len < 2 || value.ptr[0] != '"') return -1;
  end = value.ptr + value.len - 1;
  for (at = value.ptr + 1; at < end; at++) {
    uint32_t letter = (unsigned char)*at;
    int escaped = 0;
    if (*at == '\\') {
      at++;
      switch (*at) {
        case 'n': letter = '\n'; break;
        case 't': letter = '\t'; break;
        case 'r': letter = '\r'; break;
        case 'b': letter = '\b'; break;
        case 'f': letter = '\f'; break;
        case 'u':
          if (end - at < 5) return -1;
          letter = smiles_hex4_(at + 1);
          at += 4;
          if (letter >= 0xD800 && letter < 0xDC00 && end - at >= 7 && at[1] == '\\' && at[2] == 'u') {
            letter = 0x10000 + ((letter - 0xD800) << 10) + (smiles_hex4_(at + 3) - 0xDC00);
            at += 6;
          }
          escaped = 1;
          break;
        default: letter = (unsigned char)*at;
      }
    }
    if (length + 5 > room || letter == 0) return -1;
    if (!escaped || letter < 0x80) {
      into[length++] = (char)letter;
    } else if (letter < 0x800) {
      into[length++] = (char)(0xC0 | (letter >> 6));
      into[length++] = (char)(0x80 | (letter & 0x3F));
    } else if (letter < 0x10000) {
      into[length++] = (char)(0xE0 | (letter >> 12));
      into[length++] = (char)(0x80 | ((letter >> 6) & 0x3F));
      into[length++] = (char)(0x80 | (letter & 0x3F));
    } else {
      into[length++] = (char)(0xF0 | (letter >> 18));
      into[length++] = (char)(0x80 | ((letter >> 12) & 0x3F));
      into[length++] = (char)(0x80 | ((letter >> 6) & 0x3F));
      into[length++] = (char)(0x80 | (letter & 0x3F));
    }
  }
  into[length] = 0;
  return 1;
}

/* A number option: 1, 0: it is not there, -1: it is no number. */
SMILES_HELPER int smiles_option_number(SmilesStr options, const char *key, double *into) {
  SmilesStr value;
  char text[64];
  char *end;
  int found = smiles_option(options, key, &value);
  if (found != 1) return found;
  if (value.len >= sizeof text || value.len == 0) return -1;
  memcpy(text, value.ptr, value.len);
  text[value.len] = 0;
  *into = strtod(text, &end);
  return *end == 0 ? 1 : -1;
}

/* Whether a value of a column is null; `row` counts from the column's own offset. */
SMILES_HELPER int smiles_is_null(const struct ArrowArray *column, int64_t row) {
  const uint8_t *valid = (const uint8_t *)column->buffers[0];
  int64_t at = column->offset + row;
  return valid != NULL && column->null_count != 0 && !(valid[at / 8] >> (at % 8) & 1);
}

/* --- Schemas: smiles_schema_new, then smiles_schema_add for each column ---------------------------------------- */

SMILES_HELPER void smiles_schema_release_(struct ArrowSchema *schema) {
  int64_t child;
  for (child = 0; child < schema->n_children; child++) {
    if (schema->children[child]->release != NULL) schema->children[child]->release(schema->children[child]);
    free(schema->children[child]);
  }
  free(schema->children);
  free((void *)schema->name);
  free((void *)schema->format);
  free((void *)schema->metadata);
  schema->release = NULL;
}

SMILES_HELPER char *smiles_copy_(const char *text) {
  size_t length = strlen(text) + 1;
  char *copy = (char *)malloc(length);
  if (copy != NULL) memcpy(copy, text, length);
  return copy;
}

/* A struct without columns; 0, or -1 without memory. */
SMILES_HELPER int smiles_schema_new(struct ArrowSchema *schema) {
  memset(schema, 0, sizeof *schema);
  schema->format = smiles_copy_("+s");
  schema->name = smiles_copy_("");
  schema->release = smiles_schema_release_;
  return schema->format != NULL && schema->name != NULL ? 0 : -1;
}

/* One more column; `unit` may be NULL. 0, or -1 without memory. */
SMILES_HELPER int smiles_schema_add(struct ArrowSchema *schema, const char *name, const char *format, int nullable,
                                    const char *unit) {
  struct ArrowSchema *child = (struct ArrowSchema *)calloc(1, sizeof *child);
  size_t room = sizeof(struct ArrowSchema *) * (size_t)(schema->n_children + 1);
  struct ArrowSchema **children = (struct ArrowSchema **)realloc(schema->children, room);
  if (children != NULL) schema->children = children;
  if (child == NULL || children == NULL) {
    free(child);
    return -1;
  }
  schema->children[schema->n_children++] = child;
  child->release = smiles_schema_release_;
  child->flags = nullable ? ARROW_FLAG_NULLABLE : 0;
  child->name = smiles_copy_(name);
  child->format = smiles_copy_(format);
  if (child->name == NULL || child->format == NULL) return -1;
  if (unit != NULL) {
    int32_t numbers[3] = {1, 4, (int32_t)strlen(unit)};
    char *pairs = (char *)malloc(16 + strlen(unit));
    if (pairs == NULL) return -1;
    memcpy(pairs, numbers, 8);
    memcpy(pairs + 8, "unit", 4);
    memcpy(pairs + 12, &numbers[2], 4);
    memcpy(pairs + 16, unit, strlen(unit));
    child->metadata = pairs;
  }
  return 0;
}

/* A column as it is in another schema, with its metadata. 0, or -1 without memory. */
SMILES_HELPER int smiles_schema_add_copy(struct ArrowSchema *schema, const struct ArrowSchema *column) {
  const char *at = column->metadata;
  char *pairs;
  int32_t count = 0, length, pair;
  if (smiles_schema_add(schema, column->name, column->format, 0, NULL) != 0) return -1;
  schema->children[schema->n_children - 1]->flags = column->flags;
  if (at == NULL) return 0;
  memcpy(&count, at, 4);
  at += 4;
  for (pair = 0; pair < 2 * count; pair++) {
    memcpy(&length, at, 4);
    at += 4 + length;
  }
  pairs = (char *)malloc((size_t)(at - column->metadata));
  if (pairs == NULL) return -1;
  memcpy(pairs, column->metadata, (size_t)(at - column->metadata));
  schema->children[schema->n_children - 1]->metadata = pairs;
  return 0;
}

/* --- Rows: smiles_rows_new, then smiles_rows_add for each column ------------------------------------------------ */

SMILES_HELPER void smiles_rows_release_(struct ArrowArray *array) {
  int64_t at;
  for (at = 0; at < array->n_children; at++) {
    if (array->children[at]->release != NULL) array->children[at]->release(array->children[at]);
    free(array->children[at]);
  }
  for (at = 0; at < array->n_buffers; at++) free((void *)array->buffers[at]);
  free(array->children);
  free(array->buffers);
  array->release = NULL;
}

SMILES_HELPER int smiles_array_(struct ArrowArray *array, int64_t rows, int64_t buffers) {
  memset(array, 0, sizeof *array);
  array->length = rows;
  array->n_buffers = buffers;
  array->buffers = (const void **)calloc((size_t)buffers, sizeof(void *));
  array->release = smiles_rows_release_;
  if (array->buffers == NULL) array->n_buffers = 0;
  return array->buffers != NULL ? 0 : -1;
}

/* `rows` rows without columns; 0, or -1 without memory. */
SMILES_HELPER int smiles_rows_new(struct ArrowArray *array, int64_t rows) { return smiles_array_(array, rows, 1); }

/* One more column, of 1 to 3 buffers that were allocated with malloc and now belong to it: validity (may be NULL),
 * values; for utf8 and binary validity, offsets, bytes; for a struct validity alone. `nulls`: how many. 0, or -1 without
 * memory: then they are freed. */
SMILES_HELPER int smiles_rows_add(struct ArrowArray *array, int64_t nulls, int buffers, void *validity, void *second,
                                  void *third) {
  struct ArrowArray *child = (struct ArrowArray *)calloc(1, sizeof *child);
  size_t room = sizeof(struct ArrowArray *) * (size_t)(array->n_children + 1);
  struct ArrowArray **children = (struct ArrowArray **)realloc(array->children, room);
  if (children != NULL) array->children = children;
  if (child == NULL || children == NULL || smiles_array_(child, array->length, buffers) != 0) {
    free(child);
    free(validity);
    free(second);
    free(third);
    return -1;
  }
  array->children[array->n_children++] = child;
  child->null_count = nulls;
  child->buffers[0] = validity;
  if (buffers > 1) child->buffers[1] = second;
  if (buffers > 2) child->buffers[2] = third;
  return 0;
}

#endif /* SMILES_PLUGIN_HELPERS */

#ifdef __cplusplus
}
#endif

#endif /* SMILES_PLUGIN_H */
