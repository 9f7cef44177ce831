/* noop.c - a sink that takes rows and does nothing with them: what the line itself costs. */
#define SMILES_PLUGIN_HELPERS
#include "smiles_plugin.h"

SMILES_META("noop", "1.0.0", "MIT", "{\"role\":\"sink\",\"type\":\"noop\",\"about\":\"does nothing\"}");

static SmilesPosition last[1];

static int32_t noop_open(const SmilesHost *host, SmilesStr pipeline, SmilesStr stage, SmilesStr options, void **self,
                         SmilesError *error) {
  (void)host, (void)pipeline, (void)stage, (void)options, (void)error;
  *self = last;
  return SMILES_OK;
}

static int32_t noop_bind(void *self, const struct ArrowSchema *in, struct ArrowSchema *out, SmilesError *error) {
  (void)self, (void)in, (void)out, (void)error;
  return SMILES_OK;
}

static int32_t noop_write(void *self, struct ArrowArray *in, const SmilesPosition *position, SmilesError *error) {
  (void)error;
  *(SmilesPosition *)self = *position;
  in->release(in);
  return SMILES_OK;
}

static int32_t noop_flush(void *self, uint32_t deadline_ms, SmilesPosition *durable, SmilesError *error) {
  (void)deadline_ms, (void)error;
  *durable = *(SmilesPosition *)self;
  return SMILES_OK;
}

static void noop_close(void **self) { *self = NULL; }

static const SmilesStage stage = {.struct_size = sizeof(SmilesStage), .role = SMILES_SINK, .type_name = {"noop", 4},
                                  .open = noop_open, .bind = noop_bind, .write = noop_write, .flush = noop_flush,
                                  .close = noop_close};
static const SmilesStage *const stages[] = {&stage};
static const SmilesPlugin plugin = {sizeof(SmilesPlugin), SMILES_ABI_MINOR, SMILES_META_STR, stages, 1, 0};

const SmilesPlugin *smiles_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
