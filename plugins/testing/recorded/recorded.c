/* recorded.c - a source that plays back what a device once said, with the times of that day: for tests that need the very
 * same rows twice. `file` holds records of five 64-bit numbers (time in microseconds, port, link, today, total); `skip` of
 * them were taken before, and each pass brings `rows`, the last one what is left.
 */
#define SMILES_PLUGIN_HELPERS
#include "smiles_plugin.h"

SMILES_META("recorded", "1.0.0", "MIT", "{\"role\":\"source\",\"type\":\"recorded\",\"about\":\"plays rows back\"}");

enum { COLUMNS = 5, ROWS_MAX = 1024 };

typedef struct {
  FILE *file;
  size_t rows;
} Source;

static SmilesStr options_schema(void) {
  return smiles_str(
      "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"file\",\"skip\",\"rows\"],\"properties\":{"
      "\"file\":{\"type\":\"string\",\"minLength\":1,\"description\":\"the records\"},"
      "\"skip\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"records that were taken before\"},"
      "\"rows\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1024,\"description\":\"records of a pass\"}}}");
}

static int32_t columns(struct ArrowSchema *out, SmilesError *error) {
  int bad = smiles_schema_new(out);
  bad = bad || smiles_schema_add(out, "time", "tsu:UTC", 0, NULL);
  bad = bad || smiles_schema_add(out, "port", "l", 0, NULL);
  bad = bad || smiles_schema_add(out, "link", "l", 0, NULL);
  bad = bad || smiles_schema_add(out, "today", "l", 0, "Wh");
  bad = bad || smiles_schema_add(out, "total", "l", 0, "Wh");
  if (!bad) return SMILES_OK;
  if (out->release != NULL) out->release(out);
  return smiles_fail(error, SMILES_RETRY, "out of memory");
}

static int32_t source_plan(SmilesStr options, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)options, (void)in;
  return columns(out, error);
}

static int32_t source_bind(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)self, (void)in;
  return columns(out, error);
}

static int32_t source_open(const SmilesHost *host, SmilesStr pipeline, SmilesStr stage, SmilesStr options, void **self,
                           SmilesError *error) {
  char path[4096];
  double skip, rows;
  Source *source;
  (void)host, (void)pipeline, (void)stage;
  if (smiles_option_text(options, "file", path, sizeof path) != 1 || smiles_option_number(options, "skip", &skip) != 1 ||
      smiles_option_number(options, "rows", &rows) != 1)
    return smiles_fail(error, SMILES_HALT, "`file`, `skip` and `rows` are needed");
  source = calloc(1, sizeof *source);
  if (source == NULL) return smiles_fail(error, SMILES_RETRY, "out of memory");
  source->rows = (size_t)rows;
  source->file = fopen(path, "rb");
  if (source->file == NULL || fseek(source->file, (long)skip * COLUMNS * 8, SEEK_SET) != 0) {
    if (source->file != NULL) fclose(source->file);
    free(source);
    return smiles_fail(error, SMILES_HALT, "cannot read %s", path);
  }
  *self = source;
  return SMILES_OK;
}

static int32_t source_next(void *self, uint32_t timeout_ms, struct ArrowArray *out, SmilesError *error) {
  Source *source = self;
  int64_t records[ROWS_MAX][COLUMNS];
  size_t count = fread(records, sizeof records[0], source->rows, source->file), row;
  int column, bad;
  (void)timeout_ms;
  if (count == 0) return SMILES_END;
  bad = smiles_rows_new(out, (int64_t)count);
  for (column = 0; column < COLUMNS && !bad; column++) {
    int64_t *values = malloc(count * sizeof(int64_t));
    for (row = 0; row < count && values != NULL; row++) values[row] = records[row][column];
    bad = values == NULL || smiles_rows_add(out, 0, 2, NULL, values, NULL);
  }
  if (!bad) return SMILES_OK;
  if (out->release != NULL) out->release(out);
  return smiles_fail(error, SMILES_RETRY, "out of memory");
}

static void source_close(void **self) {
  Source *source = *self;
  if (source != NULL) fclose(source->file);
  free(source);
  *self = NULL;
}

static const SmilesStage source_stage = {.struct_size = sizeof(SmilesStage),
                                         .role = SMILES_SOURCE,
                                         .type_name = {"recorded", 8},
                                         .options_schema = options_schema,
                                         .plan = source_plan,
                                         .open = source_open,
                                         .bind = source_bind,
                                         .next = source_next,
                                         .close = source_close};
static const SmilesStage *const stages[] = {&source_stage};
static const SmilesPlugin plugin = {sizeof(SmilesPlugin), SMILES_ABI_MINOR, SMILES_META_STR, stages, 1, 0};

const SmilesPlugin *smiles_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
