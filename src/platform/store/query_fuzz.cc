#include <cstdlib>
#include <string_view>

#include "platform/store/query.h"
#include "platform/store/sqlite_filter.h"

// Whatever parses has a text that parses to the same query, and a condition in SQL whose parameters
// are as many as its marks.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark::store;
  static const std::vector<Field> kFields = {{"ns", ColumnType::kText, {"namespace"}},
                                             {"sev", ColumnType::kSeverity, {}},
                                             {"n", ColumnType::kInt, {}},
                                             {"r", ColumnType::kReal, {}},
                                             {"b", ColumnType::kBool, {}},
                                             {"time", ColumnType::kTime, {}}};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto query = ParseQuery(text, kFields, "time", 1'767'225'600'000'000);
  if (!query) return 0;
  const std::string canonical = ToText(*query);
  const auto again =
      ParseQuery(canonical, kFields, "time", 0, {.bytes = 1 << 20, .depth = 200, .terms = 10'000});
  if (!again || ToText(*again) != canonical) abort();
  const SqlColumn column{
      .type = ColumnType::kText, .expression = "c", .list_select = "S %", .id = "i"};
  const SqlFilter filter([&](std::string_view) { return &column; }, "t MATCH ?");
  std::vector<CursorValue> parameters;
  const std::string sql = filter.Where(*query, parameters);
  size_t marks = 0;
  for (char c : sql) marks += c == '?' ? 1 : 0;
  if (marks != parameters.size()) abort();
  return 0;
}
