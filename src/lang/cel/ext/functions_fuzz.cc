// Calls the functions that read texts. The first byte chooses one, the rest are its arguments,
// split at NULs; what is no text is made of its length.

#include <cstddef>
#include <cstdint>

#include "base/text.h"
#include "lang/cel/ext/authz.h"
#include "lang/cel/ext/format.h"
#include "lang/cel/ext/kubernetes.h"
#include "lang/cel/ext/net.h"

namespace bulwark::cel::ext {
namespace {

const std::vector<const Overload*>& Functions() {
  static const std::vector<const Overload*> kFunctions = [] {
    std::vector<const Library*> libraries = AllLibraries();
    libraries.push_back(&Network());
    std::vector<const Overload*> found;
    for (const Library* library : libraries) {
      for (const FunctionDecl& function : library->functions) {
        for (const Overload& overload : function.overloads) {
          bool reads_text = !overload.params.empty() && overload.function != nullptr &&
                            overload.params[0].kind() == TypeKind::kString;
          if (reads_text) found.push_back(&overload);
        }
      }
    }
    return found;
  }();
  return kFunctions;
}

Value Argument(Arena& arena, Type type, std::string_view text) {
  switch (type.kind()) {
    case TypeKind::kInt: return Value::Int(static_cast<int64_t>(text.size()) - 3);
    case TypeKind::kBool: return Value::Bool(text.size() % 2 == 1);
    case TypeKind::kBytes: return Value::Bytes(text);
    case TypeKind::kList: {
      Value items[] = {Value::String(text), Value::Int(7), Value::Double(1.5), Value::Bytes(text)};
      return Value::Array(arena, items);
    }
    default: return Value::String(text);
  }
}

void Run(std::string_view input) {
  if (input.empty()) return;
  const auto& functions = Functions();
  const Overload& overload = *functions[static_cast<uint8_t>(input[0]) % functions.size()];
  std::string text = ToValidUtf8(input.substr(1));
  std::vector<std::string_view> parts = Split(std::string_view(text), '\0');
  Arena arena;
  CallContext context{arena};
  context.max_bytes = 1 << 20;
  std::vector<Value> args;
  for (size_t i = 0; i < overload.params.size(); ++i) {
    args.push_back(Argument(arena, overload.params[i], i < parts.size() ? parts[i] : ""));
  }
  Value result = overload.function(context, args);
  BW_CHECK(!result.IsString() || IsUtf8(result.AsString()));
  if (overload.actual_cost != nullptr) overload.actual_cost(args, result);
  if (result.IsOpaque()) static_cast<void>(result.AsOpaque()->ToString());
  for (const NamedFormat& format : NamedFormats()) format.validate(text);
  ParseLabelSelector(text);
  ParseFieldSelector(text);
}

}  // namespace
}  // namespace bulwark::cel::ext

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bulwark::cel::ext::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
