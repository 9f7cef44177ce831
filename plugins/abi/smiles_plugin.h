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
 *                carries its own `release`, everything else is borrowed for the length of the call.
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
  SMILES_END = 4     /* `next` only: there will never be more rows                                               */
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
   * `timeout_ms`. What was returned is not lost; what was not may be asked for again. */
  int32_t (*next)(void *self, uint32_t timeout_ms, struct ArrowArray *out, SmilesError *error);

  /* Source, may be NULL. Everything returned so far is durable in the journal. */
  int32_t (*commit)(void *self, const SmilesPosition *position, SmilesError *error);

  /* Transform. The callee owns `in` and releases it, also when it fails. No I/O, no clock, nothing random: the same rows
   * and the same state give the same rows. `out` is filled in where it succeeds. */
  int32_t (*apply)(void *self, struct ArrowArray *in, struct ArrowArray *out, SmilesError *error);

  /* Sink. Takes rows: accepted, not yet durable. The callee owns `in` and releases it, also when it fails, at the latest
   * in `close`. Batches come in order, and consecutive between two flushes.
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

#ifdef __cplusplus
}
#endif

#endif /* SMILES_PLUGIN_H */
