/* csv.c - a sink that appends rows to a CSV file and rotates it. C99, nothing but the header and the C library.
 *
 * <folder>/<stage>.csv has a header line; when it has grown past max_bytes it becomes <stage>.1.csv, that <stage>.2.csv, and
 * so on up to `keep` files. A batch is in the file, and on the disk, before `flush` says so. After a crash the last rows
 * may stand there twice (at least once); half a line never stays.
 */
#define _POSIX_C_SOURCE 200809L
#define SMILES_PLUGIN_HELPERS
#include "smiles_plugin.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

SMILES_META("csv", "1.0.0", "MIT",
            "{\"role\":\"sink\",\"type\":\"csv\",\"about\":\"appends rows to a CSV file and rotates it\","
            "\"metrics\":[{\"name\":\"csv_rows\",\"help\":\"Rows written to CSV files.\"},"
            "{\"name\":\"csv_rotations\",\"help\":\"Times a CSV file was rotated.\"}]}");

enum { METRIC_ROWS, METRIC_ROTATIONS };

typedef struct {
  const SmilesHost *host;
  char base[PATH_MAX]; /* <folder>/<stage>, without what follows                                                 */
  double max_bytes;
  int keep;
  FILE *file;
  int64_t durable; /* bytes of the file that a flush has confirmed                                               */
  /* columns */
  int64_t columns;
  char **names;
  char *types; /* the first letter of each format; 't' is the timestamp                                          */
  /* what `write` took and `flush` has to write */
  char *text;
  size_t length, room;
  int64_t rows;
  SmilesPosition last;
} Csv;

/* --- text that grows ------------------------------------------------------------------------------------------- */

static int put(Csv *csv, const char *bytes, size_t count) {
  if (csv->length + count > csv->room) {
    size_t room = (csv->length + count) * 2;
    char *more = realloc(csv->text, room);
    if (more == NULL) return -1;
    csv->text = more;
    csv->room = room;
  }
  memcpy(csv->text + csv->length, bytes, count);
  csv->length += count;
  return 0;
}

static int put_text(Csv *csv, const char *bytes, size_t count) {
  size_t at;
  int quoted = count == 0;
  for (at = 0; at < count; at++) quoted |= strchr(",\"\r\n", bytes[at]) != NULL || bytes[at] == 0;
  if (!quoted) return put(csv, bytes, count);
  if (put(csv, "\"", 1) != 0) return -1;
  for (at = 0; at < count; at++) {
    if (bytes[at] == '"' && put(csv, "\"", 1) != 0) return -1;
    if (put(csv, bytes + at, 1) != 0) return -1;
  }
  return put(csv, "\"", 1);
}

/* The shortest text that reads back as the same number. */
static size_t number(char *into, size_t room, double value, int digits, int most) {
  for (; digits < most; digits++) {
    snprintf(into, room, "%.*g", digits, value);
    if (most == 9 ? (float)strtod(into, NULL) == (float)value : strtod(into, NULL) == value) return strlen(into);
  }
  snprintf(into, room, "%.*g", most, value);
  return strlen(into);
}

static size_t instant(char *into, size_t room, int64_t micros) {
  time_t seconds = (time_t)(micros / 1000000);
  long rest = (long)(micros % 1000000);
  struct tm parts;
  size_t length;
  if (rest < 0) {
    rest += 1000000;
    seconds--;
  }
  gmtime_r(&seconds, &parts);
  length = strftime(into, room, "%Y-%m-%dT%H:%M:%S", &parts);
  return length + (size_t)snprintf(into + length, room - length, ".%06ldZ", rest);
}

/* One value; `at` counts with every offset. */
static int put_value(Csv *csv, const struct ArrowArray *column, char type, int64_t at) {
  const void *values = column->buffers[1];
  char text[64];
  size_t length = 0, index = (size_t)at;
#define INTEGER(letter, kind, format)                                                        \
  case letter: length = (size_t)snprintf(text, sizeof text, "%" format, ((const kind *)values)[index]); break
  switch (type) {
    INTEGER('c', int8_t, PRId8);
    INTEGER('C', uint8_t, PRIu8);
    INTEGER('s', int16_t, PRId16);
    INTEGER('S', uint16_t, PRIu16);
    INTEGER('i', int32_t, PRId32);
    INTEGER('I', uint32_t, PRIu32);
    INTEGER('l', int64_t, PRId64);
    INTEGER('L', uint64_t, PRIu64);
    case 'b': return put(csv, ((const uint8_t *)values)[index / 8] >> (index % 8) & 1 ? "true" : "false",
                         ((const uint8_t *)values)[index / 8] >> (index % 8) & 1 ? 4 : 5);
    case 'f': length = number(text, sizeof text, ((const float *)values)[index], 6, 9); break;
    case 'g': length = number(text, sizeof text, ((const double *)values)[index], 15, 17); break;
    case 't': length = instant(text, sizeof text, ((const int64_t *)values)[index]); break;
    default: {
      const int32_t *offsets = values;
      const char *bytes = (const char *)column->buffers[2] + offsets[index];
      size_t count = (size_t)(offsets[index + 1] - offsets[index]);
      size_t byte;
      if (type == 'u') return put_text(csv, bytes, count);
      for (byte = 0; byte < count; byte++) {
        snprintf(text, sizeof text, "%02x", (unsigned)(unsigned char)bytes[byte]);
        if (put(csv, text, 2) != 0) return -1;
      }
      return 0;
    }
  }
  return put(csv, text, length);
}

/* --- the file -------------------------------------------------------------------------------------------------- */

static void path_of(const Csv *csv, char *into, size_t room, int number) {
  if (number == 0) {
    snprintf(into, room, "%s.csv", csv->base);
  } else {
    snprintf(into, room, "%s.%d.csv", csv->base, number);
  }
}

/* Opens the file and cuts off half a line that a crash left behind. */
static int32_t open_file(Csv *csv, SmilesError *error) {
  char path[PATH_MAX + 16];
  int letter, column;
  int64_t end = 0, at = 0;
  if (csv->file != NULL) return SMILES_OK;
  path_of(csv, path, sizeof path, 0);
  csv->file = fopen(path, "a+b");
  if (csv->file == NULL) return smiles_fail(error, SMILES_RETRY, "cannot open %s: %s", path, strerror(errno));
  rewind(csv->file);
  while ((letter = fgetc(csv->file)) != EOF) {
    at++;
    if (letter == '\n') end = at;
  }
  if (end < at && ftruncate(fileno(csv->file), end) != 0) {
    smiles_fail(error, SMILES_RETRY, "cannot cut half a line off %s: %s", path, strerror(errno));
    fclose(csv->file);
    csv->file = NULL;
    return SMILES_RETRY;
  }
  csv->durable = end;
  fseek(csv->file, 0, SEEK_END);
  if (end == 0) {
    for (column = 0; column < csv->columns; column++) {
      fprintf(csv->file, "%s%s", column == 0 ? "" : ",", csv->names[column]);
    }
    fputc('\n', csv->file);
  }
  return SMILES_OK;
}

static void rotate(Csv *csv) {
  char from[PATH_MAX + 16], to[PATH_MAX + 16];
  int number;
  fclose(csv->file);
  csv->file = NULL;
  for (number = csv->keep; number > 0; number--) {
    path_of(csv, from, sizeof from, number - 1);
    path_of(csv, to, sizeof to, number);
    rename(from, to);
  }
  if (csv->keep == 0) {
    path_of(csv, from, sizeof from, 0);
    remove(from);
  }
  csv->host->metric_add(csv->host->ctx, METRIC_ROTATIONS, 1);
  csv->host->log(csv->host->ctx, SMILES_LOG_INFO, smiles_str("the file is full; a new one begins"));
}

static void forget(Csv *csv) {
  csv->length = 0;
  csv->rows = 0;
  csv->last.seq = 0;
}

/* --- the stage ------------------------------------------------------------------------------------------------- */

static SmilesStr options_schema(void) {
  return smiles_str(
      "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"folder\"],\"properties\":{"
      "\"folder\":{\"type\":\"string\",\"minLength\":1,\"description\":\"where the files are; it must exist\"},"
      "\"max_bytes\":{\"type\":\"integer\",\"minimum\":1,\"default\":10485760,"
      "\"description\":\"a file larger than this is rotated\"},"
      "\"keep\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000,\"default\":10,"
      "\"description\":\"how many rotated files are kept\"}},"
      "\"examples\":[{\"folder\":\"${folder}\"}]}");
}

static int32_t read_options(Csv *csv, SmilesStr options, SmilesStr stage, SmilesError *error) {
  char folder[PATH_MAX - 512];
  double keep = 10;
  size_t at;
  if (smiles_option_text(options, "folder", folder, sizeof folder) != 1)
    return smiles_fail(error, SMILES_HALT, "`folder` must be the path of a folder");
  csv->max_bytes = 10485760;
  if (smiles_option_number(options, "max_bytes", &csv->max_bytes) < 0 || csv->max_bytes < 1)
    return smiles_fail(error, SMILES_HALT, "`max_bytes` must be a number of bytes");
  if (smiles_option_number(options, "keep", &keep) < 0 || keep < 0 || keep > 1000)
    return smiles_fail(error, SMILES_HALT, "`keep` must be a number from 0 to 1000");
  csv->keep = (int)keep;
  if (stage.len > 200) return smiles_fail(error, SMILES_HALT, "the stage's name is too long for a file");
  snprintf(csv->base, sizeof csv->base, "%s/%.*s", folder, (int)stage.len, stage.ptr);
  for (at = strlen(folder) + 1; csv->base[at] != 0; at++)
    if (csv->base[at] == '/') csv->base[at] = '_';
  return SMILES_OK;
}

static void csv_close(void **self);

static int32_t csv_open(const SmilesHost *host, SmilesStr pipeline, SmilesStr stage, SmilesStr options, void **self,
                        SmilesError *error) {
  Csv *csv = calloc(1, sizeof *csv);
  int32_t status;
  (void)pipeline;
  if (csv == NULL) return smiles_fail(error, SMILES_RETRY, "out of memory");
  csv->host = host;
  status = read_options(csv, options, stage, error);
  if (status != SMILES_OK) {
    free(csv);
    return status;
  }
  *self = csv;
  return SMILES_OK;
}

static int32_t csv_bind(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  Csv *csv = self;
  int64_t column;
  (void)out;
  csv->names = calloc((size_t)in->n_children + 1, sizeof(char *));
  csv->types = calloc((size_t)in->n_children + 1, 1);
  if (csv->names == NULL || csv->types == NULL) return smiles_fail(error, SMILES_RETRY, "out of memory");
  for (column = 0; column < in->n_children; column++) {
    const char *format = in->children[column]->format;
    csv->types[column] = format[0];
    if (strchr("bcCsSiIlLfguz", format[0]) == NULL && strcmp(format, "tsu:UTC") != 0)
      return smiles_fail(error, SMILES_HALT, "column `%s` has the unknown format `%s`", in->children[column]->name, format);
    csv->names[column] = smiles_copy_(in->children[column]->name);
    if (csv->names[column] == NULL) return smiles_fail(error, SMILES_RETRY, "out of memory");
    csv->columns = column + 1;
  }
  return SMILES_OK;
}

static int32_t csv_write(void *self, struct ArrowArray *in, const SmilesPosition *position, SmilesError *error) {
  Csv *csv = self;
  int64_t row, column;
  int bad = 0;
  for (row = 0; row < in->length && !bad; row++) {
    for (column = 0; column < csv->columns && !bad; column++) {
      const struct ArrowArray *values = in->children[column];
      int64_t at = in->offset + row;
      if (column > 0) bad |= put(csv, ",", 1);
      if (!smiles_is_null(values, at)) bad |= put_value(csv, values, csv->types[column], values->offset + at);
    }
    bad |= put(csv, "\n", 1);
  }
  csv->rows += in->length;
  in->release(in);
  if (bad) {
    forget(csv);
    return smiles_fail(error, SMILES_RETRY, "out of memory for a batch");
  }
  csv->last = *position;
  return SMILES_OK;
}

static int32_t csv_flush(void *self, uint32_t deadline_ms, SmilesPosition *durable, SmilesError *error) {
  Csv *csv = self;
  int32_t status;
  (void)deadline_ms;
  if (csv->last.seq == 0) return SMILES_OK;
  status = open_file(csv, error);
  if (status != SMILES_OK) {
    forget(csv);
    return status;
  }
  if (fwrite(csv->text, 1, csv->length, csv->file) != csv->length || fflush(csv->file) != 0 ||
      fsync(fileno(csv->file)) != 0) {
    smiles_fail(error, SMILES_RETRY, "cannot write %s.csv: %s", csv->base, strerror(errno));
    /* What may have arrived in part is taken back; if that fails too, opening it again cuts it off. */
    if (ftruncate(fileno(csv->file), csv->durable) != 0) errno = 0;
    fclose(csv->file);
    csv->file = NULL;
    forget(csv);
    return SMILES_RETRY;
  }
  csv->durable = ftell(csv->file);
  *durable = csv->last;
  csv->host->metric_add(csv->host->ctx, METRIC_ROWS, (double)csv->rows);
  forget(csv);
  if ((double)csv->durable > csv->max_bytes) rotate(csv);
  return SMILES_OK;
}

static void csv_close(void **self) {
  Csv *csv = *self;
  int64_t column;
  if (csv == NULL) return;
  if (csv->file != NULL) fclose(csv->file);
  for (column = 0; column < csv->columns; column++) free(csv->names[column]);
  free(csv->names);
  free(csv->types);
  free(csv->text);
  free(csv);
  *self = NULL;
}

static const SmilesStage csv_stage = {
    .struct_size = sizeof(SmilesStage),
    .role = SMILES_SINK,
    .type_name = {"csv", 3},
    .options_schema = options_schema,
    .open = csv_open,
    .bind = csv_bind,
    .write = csv_write,
    .flush = csv_flush,
    .close = csv_close,
};
static const SmilesStage *const stages[] = {&csv_stage};
static const SmilesPlugin plugin = {
    .struct_size = sizeof(SmilesPlugin),
    .abi_minor = SMILES_ABI_MINOR,
    .meta = SMILES_META_STR,
    .stages = stages,
    .stage_count = 1,
};

const SmilesPlugin *smiles_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
