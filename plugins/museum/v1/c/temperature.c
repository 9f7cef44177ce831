/* temperature.c - a source of the temperatures Linux knows: one row per sensor of /sys/class/hwmon, in degrees Celsius.
 * C99, nothing but the header and the C library.
 */
#define _POSIX_C_SOURCE 200809L
#define SMILES_PLUGIN_HELPERS
#include "smiles_plugin.h"

#include <dirent.h>
#include <errno.h>

SMILES_META("temperature", "1.0.0", "MIT",
            "{\"role\":\"source\",\"type\":\"temperature\",\"about\":\"temperatures of this machine, from Linux hwmon\"}");

enum { NAME_MAX_LENGTH = 128, MAX_SENSORS = 256, PATH_LENGTH = 4096 };

typedef struct {
  const SmilesHost *host;
  char root[2048];
} Source;

/* What one pass hears. */
typedef struct {
  int count;
  char chip[MAX_SENSORS][NAME_MAX_LENGTH];
  char sensor[MAX_SENSORS][NAME_MAX_LENGTH];
  double celsius[MAX_SENSORS];
} Heard;

static SmilesStr options_schema(void) {
  return smiles_str(
      "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
      "\"root\":{\"type\":\"string\",\"minLength\":1,\"default\":\"/sys/class/hwmon\","
      "\"description\":\"the folder of the chips\"}}}");
}

static int32_t read_root(SmilesStr options, char *root, size_t room, SmilesError *error) {
  int found = smiles_option_text(options, "root", root, room);
  if (found < 0) return smiles_fail(error, SMILES_HALT, "`root` must be the path of a folder");
  if (found == 0) snprintf(root, room, "/sys/class/hwmon");
  return SMILES_OK;
}

static int32_t columns(struct ArrowSchema *out, SmilesError *error) {
  int bad = smiles_schema_new(out);
  bad = bad || smiles_schema_add(out, "chip", "u", 0, NULL);
  bad = bad || smiles_schema_add(out, "sensor", "u", 0, NULL);
  bad = bad || smiles_schema_add(out, "temperature", "g", 0, "\xc2\xb0""C");
  if (!bad) return SMILES_OK;
  if (out->release != NULL) out->release(out);
  return smiles_fail(error, SMILES_RETRY, "out of memory");
}

static int32_t source_plan(SmilesStr options, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  char root[2048];
  int32_t status = read_root(options, root, sizeof root, error);
  (void)in;
  return status == SMILES_OK ? columns(out, error) : status;
}

static int32_t source_open(const SmilesHost *host, SmilesStr pipeline, SmilesStr stage, SmilesStr options, void **self,
                           SmilesError *error) {
  Source *source = calloc(1, sizeof *source);
  int32_t status;
  (void)pipeline;
  (void)stage;
  if (source == NULL) return smiles_fail(error, SMILES_RETRY, "out of memory");
  source->host = host;
  status = read_root(options, source->root, sizeof source->root, error);
  if (status == SMILES_OK) {
    *self = source;
  } else {
    free(source);
  }
  return status;
}

static int32_t source_bind(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)self;
  (void)in;
  return columns(out, error);
}

/* The first line of a file, without its end; -1: it cannot be read. */
static int read_line(const char *path, char *into, size_t room) {
  FILE *file = fopen(path, "r");
  char *line;
  if (file == NULL) return -1;
  line = fgets(into, (int)room, file);
  fclose(file);
  if (line == NULL) return -1;
  into[strcspn(into, "\r\n")] = 0;
  return 0;
}

static void hear_sensor(Source *source, const char *folder, const char *chip, const char *file, Heard *heard) {
  char path[PATH_LENGTH], text[NAME_MAX_LENGTH], label[NAME_MAX_LENGTH];
  int number = 0;
  if (sscanf(file, "temp%d_input", &number) != 1 || strstr(file, "_input") == NULL || heard->count == MAX_SENSORS) return;
  snprintf(path, sizeof path, "%s/temp%d_input", folder, number);
  if (read_line(path, text, sizeof text) != 0) {
    snprintf(text, sizeof text, "sensor %d of %.60s cannot be read: %s", number, chip, strerror(errno));
    source->host->fault(source->host->ctx, smiles_str(text));
    return;
  }
  snprintf(path, sizeof path, "%s/temp%d_label", folder, number);
  if (read_line(path, label, sizeof label) != 0) snprintf(label, sizeof label, "temp%d", number);
  memcpy(heard->chip[heard->count], chip, NAME_MAX_LENGTH);
  memcpy(heard->sensor[heard->count], label, NAME_MAX_LENGTH);
  heard->celsius[heard->count] = strtod(text, NULL) / 1000;
  heard->count++;
}

static void hear_chip(Source *source, const char *name, Heard *heard) {
  char folder[PATH_LENGTH - 64], path[PATH_LENGTH], chip[NAME_MAX_LENGTH] = {0};
  struct dirent *entry;
  DIR *files;
  snprintf(folder, sizeof folder, "%s/%.200s", source->root, name);
  snprintf(path, sizeof path, "%s/name", folder);
  if (read_line(path, chip, sizeof chip) != 0) snprintf(chip, sizeof chip, "%.100s", name);
  files = opendir(folder);
  if (files == NULL) return;
  while ((entry = readdir(files)) != NULL) hear_sensor(source, folder, chip, entry->d_name, heard);
  closedir(files);
}

/* A utf8 column of these names. */
static int add_names(struct ArrowArray *out, char names[][NAME_MAX_LENGTH], int count) {
  int32_t *offsets = calloc((size_t)count + 1, sizeof(int32_t));
  char *bytes = malloc((size_t)count * NAME_MAX_LENGTH + 1);
  int at;
  if (offsets == NULL || bytes == NULL) {
    free(offsets);
    free(bytes);
    return -1;
  }
  for (at = 0; at < count; at++) {
    size_t length = strlen(names[at]);
    memcpy(bytes + offsets[at], names[at], length);
    offsets[at + 1] = offsets[at] + (int32_t)length;
  }
  return smiles_rows_add(out, 0, 3, NULL, offsets, bytes);
}

static int32_t rows(struct ArrowArray *out, Heard *heard, SmilesError *error) {
  double *celsius = calloc((size_t)heard->count + 1, sizeof(double));
  int bad = smiles_rows_new(out, heard->count);
  bad = bad || add_names(out, heard->chip, heard->count);
  bad = bad || add_names(out, heard->sensor, heard->count);
  if (!bad && celsius != NULL) {
    memcpy(celsius, heard->celsius, (size_t)heard->count * sizeof(double));
    bad = smiles_rows_add(out, 0, 2, NULL, celsius, NULL);
  } else {
    free(celsius);
    bad = 1;
  }
  if (!bad) return SMILES_OK;
  if (out->release != NULL) out->release(out);
  return smiles_fail(error, SMILES_RETRY, "out of memory");
}

static int32_t source_next(void *self, uint32_t timeout_ms, struct ArrowArray *out, SmilesError *error) {
  Source *source = self;
  Heard *heard;
  struct dirent *entry;
  int32_t status;
  DIR *chips = opendir(source->root);
  (void)timeout_ms;
  if (chips == NULL) return smiles_fail(error, SMILES_RETRY, "cannot read %s: %s", source->root, strerror(errno));
  heard = calloc(1, sizeof *heard);
  if (heard == NULL) {
    closedir(chips);
    return smiles_fail(error, SMILES_RETRY, "out of memory");
  }
  while ((entry = readdir(chips)) != NULL) {
    if (entry->d_name[0] != '.') hear_chip(source, entry->d_name, heard);
  }
  closedir(chips);
  status = heard->count > 0 ? rows(out, heard, error)
                            : smiles_fail(error, SMILES_RETRY, "no temperature sensor in %s", source->root);
  free(heard);
  return status;
}

static void source_close(void **self) {
  free(*self);
  *self = NULL;
}

static const SmilesStage source_stage = {
    .struct_size = sizeof(SmilesStage),
    .role = SMILES_SOURCE,
    .type_name = {"temperature", 11},
    .options_schema = options_schema,
    .plan = source_plan,
    .open = source_open,
    .bind = source_bind,
    .next = source_next,
    .close = source_close,
};
static const SmilesStage *const stages[] = {&source_stage};
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
