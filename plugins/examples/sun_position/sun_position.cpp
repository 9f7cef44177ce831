// sun_position.cpp - a transform in C++17 that adds where the sun stands: its elevation and azimuth in degrees, for the `time`
// of each row at one place. With it a dashboard can tell a cloud from an evening.
#define SMILES_PLUGIN_HELPERS
#include "smiles_plugin.h"

#include <cmath>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

SMILES_META("sun_position", "1.0.0", "MIT",
            "{\"role\":\"transform\",\"type\":\"sun_position\",\"about\":\"adds the sun's elevation and azimuth at a place\"}");

namespace {

constexpr double PI = 3.14159265358979323846;
constexpr double DEGREE = PI / 180;
const char *const ADDED[] = {"sun_elevation", "sun_azimuth"};

// Everything that throws ends here: no exception crosses the line.
template <typename Call> int32_t guarded(SmilesError *error, Call call) {
  try {
    call();
    return SMILES_OK;
  } catch (const std::invalid_argument &wrong) {
    return smiles_fail(error, SMILES_HALT, "%s", wrong.what());
  } catch (const std::exception &failed) {
    return smiles_fail(error, SMILES_RETRY, "%s", failed.what());
  } catch (...) {
    return smiles_fail(error, SMILES_RETRY, "an exception of unknown type");
  }
}

double coordinate(SmilesStr options, const char *name, double most) {
  double value = 0;
  if (smiles_option_number(options, name, &value) != 1 || !(std::fabs(value) <= most))
    throw std::invalid_argument(std::string("`") + name + "` must be a number of degrees");
  return value;
}

struct Place {
  double latitude, longitude;
  explicit Place(SmilesStr options)
      : latitude(coordinate(options, "latitude", 90)), longitude(coordinate(options, "longitude", 180)) {}
};

struct Sun {
  double elevation, azimuth;
};

// The low-precision formulas of the Astronomical Almanac: good to about 0.01 degrees from 1950 to 2050.
Sun sun_at(const Place &place, int64_t micros) {
  const double days = static_cast<double>(micros) / 86400e6 - 10957.5; // since 2000-01-01 12:00 UTC
  const double mean = std::fmod(280.460 + 0.9856474 * days, 360);
  const double anomaly = std::fmod(357.528 + 0.9856003 * days, 360) * DEGREE;
  const double longitude = (mean + 1.915 * std::sin(anomaly) + 0.020 * std::sin(2 * anomaly)) * DEGREE;
  const double obliquity = (23.439 - 0.0000004 * days) * DEGREE;
  const double ascension = std::atan2(std::cos(obliquity) * std::sin(longitude), std::cos(longitude));
  const double declination = std::asin(std::sin(obliquity) * std::sin(longitude));
  const double sidereal = std::fmod(280.46062 + 360.98564737 * days + place.longitude, 360) * DEGREE;
  const double hour = sidereal - ascension;
  const double latitude = place.latitude * DEGREE;
  const double sine = std::sin(latitude) * std::sin(declination) + std::cos(latitude) * std::cos(declination) * std::cos(hour);
  const double azimuth = std::atan2(-std::sin(hour), std::tan(declination) * std::cos(latitude) - std::sin(latitude) * std::cos(hour));
  return {std::asin(std::fmax(-1, std::fmin(1, sine))) / DEGREE, std::fmod(azimuth / DEGREE + 360, 360)};
}

class Transform {
public:
  explicit Transform(SmilesStr options) : place(options) {}

  void bind(const ArrowSchema *in) {
    for (time = 0; time < in->n_children; time++)
      if (std::string(in->children[time]->name) == "time") return;
    throw std::invalid_argument("there is no column `time`");
  }

  // The columns that enter are moved, not copied.
  void apply(ArrowArray *in, ArrowArray *out) {
    const int64_t whole = in->offset + in->length;
    const ArrowArray *times = in->children[time];
    std::vector<Sun> suns;
    suns.reserve(static_cast<size_t>(whole));
    for (int64_t row = 0; row < whole; row++)
      suns.push_back(sun_at(place, static_cast<const int64_t *>(times->buffers[1])[times->offset + row]));
    if (smiles_rows_new(out, whole) != 0) throw std::bad_alloc();
    for (int64_t child = 0; child < in->n_children; child++) {
      if (smiles_rows_add(out, 0, 1, nullptr, nullptr, nullptr) != 0) throw std::bad_alloc();
      out->children[child]->release(out->children[child]);
      *out->children[child] = *in->children[child];
      in->children[child]->release = nullptr;
    }
    add(out, suns, &Sun::elevation);
    add(out, suns, &Sun::azimuth);
    out->offset = in->offset;
    out->length = in->length;
  }

private:
  Place place;
  int64_t time = 0;

  static void add(ArrowArray *out, const std::vector<Sun> &suns, double Sun::*value) {
    auto *values = static_cast<double *>(std::malloc(sizeof(double) * (suns.size() + 1)));
    if (values == nullptr) throw std::bad_alloc();
    for (size_t row = 0; row < suns.size(); row++) values[row] = suns[row].*value;
    if (smiles_rows_add(out, 0, 2, nullptr, values, nullptr) != 0) throw std::bad_alloc();
  }
};

void columns(const ArrowSchema *in, ArrowSchema *out) {
  bool bad = smiles_schema_new(out) != 0;
  for (int64_t child = 0; child < in->n_children && !bad; child++) {
    const ArrowSchema *field = in->children[child];
    for (const char *added : ADDED)
      if (std::string(field->name) == added) throw std::invalid_argument(std::string("there is a column `") + added + "` already");
    bad = smiles_schema_add_copy(out, field) != 0;
  }
  for (const char *added : ADDED) bad = bad || smiles_schema_add(out, added, "g", 0, "\xc2\xb0") != 0;
  if (bad) throw std::bad_alloc();
}

SmilesStr options_schema() {
  return smiles_str(
      "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"latitude\",\"longitude\"],\"properties\":{"
      "\"latitude\":{\"type\":\"number\",\"minimum\":-90,\"maximum\":90,\"description\":\"degrees north\"},"
      "\"longitude\":{\"type\":\"number\",\"minimum\":-180,\"maximum\":180,\"description\":\"degrees east\"}},"
      "\"examples\":[{\"latitude\":52.5,\"longitude\":13.4}]}");
}

// Whatever a failing call has put into a schema or an array is released again.
template <typename Arrow> struct Emptied {
  Arrow *filled;
  bool kept = false;
  ~Emptied() {
    if (!kept && filled != nullptr && filled->release != nullptr) filled->release(filled);
  }
};

int32_t plan(SmilesStr options, const ArrowSchema *in, ArrowSchema *out, SmilesError *error) {
  return guarded(error, [&] {
    Place checked(options);
    (void)checked;
    if (in == nullptr || out == nullptr) return;
    Transform(options).bind(in);
    Emptied<ArrowSchema> filled{out};
    columns(in, out);
    filled.kept = true;
  });
}

int32_t open(const SmilesHost *, SmilesStr, SmilesStr, SmilesStr options, void **self, SmilesError *error) {
  return guarded(error, [&] { *self = std::make_unique<Transform>(options).release(); });
}

int32_t bind(void *self, const ArrowSchema *in, ArrowSchema *out, SmilesError *error) {
  return guarded(error, [&] {
    static_cast<Transform *>(self)->bind(in);
    Emptied<ArrowSchema> filled{out};
    columns(in, out);
    filled.kept = true;
  });
}

int32_t apply(void *self, ArrowArray *in, ArrowArray *out, SmilesError *error) {
  return guarded(error, [&] {
    Emptied<ArrowArray> taken{in}, filled{out};
    static_cast<Transform *>(self)->apply(in, out);
    filled.kept = true;
  });
}

void close(void **self) {
  delete static_cast<Transform *>(*self);
  *self = nullptr;
}

SmilesStage table() {
  SmilesStage stage{};
  stage.struct_size = sizeof stage;
  stage.role = SMILES_TRANSFORM;
  stage.type_name = {"sun_position", 12};
  stage.options_schema = options_schema;
  stage.plan = plan;
  stage.open = open;
  stage.bind = bind;
  stage.apply = apply;
  stage.close = close;
  return stage;
}

} // namespace

extern "C" const SmilesPlugin *smiles_plugin_v1(uint32_t) {
  static const SmilesStage stage = table();
  static const SmilesStage *const stages[] = {&stage};
  static const SmilesPlugin plugin = {sizeof(SmilesPlugin), SMILES_ABI_MINOR, SMILES_META_STR, stages, 1, 0};
  return &plugin;
}
