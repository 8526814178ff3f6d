#include "lang/cel/stdlib.h"

#include <re2/re2.h>

#include <initializer_list>
#include <list>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "base/time.h"
#include "base/timezone.h"
#include "lang/cel/macros.h"
#include "lang/cel/operators.h"
#include "lang/cel/stdlib_convert.h"

namespace bulwark::cel {

Value NoSuchOverload(const CallContext& ctx) {
  return Value::FromOpaque(ctx.arena.New<ErrorValue>("no such overload", ctx.expr_id));
}

uint64_t ActualSize(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kString: {
      std::string_view text = v.AsString();
      return IsAscii(text) ? text.size() : CountCodePoints(text);
    }
    case Value::Kind::kBytes:
    case Value::Kind::kArray:
    case Value::Kind::kMap:
    case Value::Kind::kSet: return v.size();
    case Value::Kind::kOpaque:
      if (auto items = ListItems(v)) return items->size();
      if (HasTag(v, kOptionalTag)) {
        auto* optional = static_cast<const OptionalValue*>(v.AsOpaque());
        return optional->has_value() ? ActualSize(optional->value()) : 1;
      }
      return 1;
    default: return 1;
  }
}

uint64_t TraversalCost(std::span<const Value> args, const Value&) {
  return ScaleCost(ActualSize(args[0]), kStringCost);
}

uint64_t ContainsCost(std::span<const Value> args, const Value&) {
  return ScaleCost(ActualSize(args[0]), kStringCost) * ScaleCost(ActualSize(args[1]), kStringCost);
}

uint64_t MatchesCost(std::span<const Value> args, const Value&) {
  // One more than the text is long: an empty one is matched as well.
  return ScaleCost(1 + ActualSize(args[0]), kStringCost) *
         ScaleCost(ActualSize(args[1]), kPatternCost);
}

std::unique_ptr<re2::RE2> CompilePattern(std::string_view pattern, std::string* error) {
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (compiled->ok()) return compiled;
  // As Go quotes it: "unexpected ): `)`".
  std::string text = compiled->error();
  std::string arg = ": " + compiled->error_arg();
  if (text.ends_with(arg)) {
    text.resize(text.size() - arg.size());
    text += ": `" + compiled->error_arg() + "`";
  }
  *error = "error parsing regexp: " + text;
  return nullptr;
}

bool MatchesPattern(const re2::RE2& pattern, std::string_view text) {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

namespace {

// Compiled patterns that came with the data, the least recently used thrown out. One a thread.
class PatternCache {
 public:
  const RE2* Get(std::string_view pattern, std::string* error) {
    if (auto found = index_.find(pattern); found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().compiled.get();
    }
    std::unique_ptr<RE2> compiled = CompilePattern(pattern, error);
    if (compiled == nullptr) return nullptr;
    if (entries_.size() == kMaxPatterns) {
      index_.erase(entries_.back().pattern);
      entries_.pop_back();
    }
    entries_.push_front({std::string(pattern), std::move(compiled)});
    index_.emplace(entries_.front().pattern, entries_.begin());
    return entries_.front().compiled.get();
  }

 private:
  static constexpr size_t kMaxPatterns = 64;
  struct Entry {
    std::string pattern;
    std::unique_ptr<RE2> compiled;
  };
  std::list<Entry> entries_;
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;
};

using Args = std::span<const Value>;

Value Matches(CallContext& ctx, Args args) {
  if (!args[0].IsString() || !args[1].IsString()) return NoSuchOverload(ctx);
  thread_local PatternCache cache;
  std::string error;
  const RE2* pattern = cache.Get(args[1].AsString(), &error);
  if (pattern == nullptr) return ctx.Error(error);
  return Value::Bool(MatchesPattern(*pattern, args[0].AsString()));
}

Value Contains(CallContext& ctx, Args args) {
  if (!args[0].IsString() || !args[1].IsString()) return NoSuchOverload(ctx);
  return Value::Bool(args[0].AsString().find(args[1].AsString()) != std::string_view::npos);
}

Value StartsWith(CallContext& ctx, Args args) {
  if (!args[0].IsString() || !args[1].IsString()) return NoSuchOverload(ctx);
  return Value::Bool(args[0].AsString().starts_with(args[1].AsString()));
}

Value EndsWith(CallContext& ctx, Args args) {
  if (!args[0].IsString() || !args[1].IsString()) return NoSuchOverload(ctx);
  return Value::Bool(args[0].AsString().ends_with(args[1].AsString()));
}

Value Size(CallContext& ctx, Args args) {
  switch (args[0].kind()) {
    case Value::Kind::kString:
    case Value::Kind::kBytes:
    case Value::Kind::kArray:
    case Value::Kind::kMap:
    case Value::Kind::kSet: return Value::Int(static_cast<int64_t>(ActualSize(args[0])));
    default:
      if (auto items = ListItems(args[0])) return Value::Int(static_cast<int64_t>(items->size()));
      return NoSuchOverload(ctx);
  }
}

Value TypeOf(CallContext& ctx, Args args) { return MakeType(ctx.arena, TypeNameOf(args[0])); }
Value Identity(CallContext&, Args args) { return args[0]; }

// --- Timestamps and durations --------------------------------------------------------------------

enum class Part {
  kYear,
  kMonth,
  kDayOfYear,
  kDayOfMonth,
  kDate,
  kDayOfWeek,
  kHours,
  kMinutes,
  kSeconds,
  kMilliseconds
};

template <Part kPart>
Value TimestampPart(CallContext& ctx, Args args) {
  if (!args[0].IsTimestamp()) return NoSuchOverload(ctx);
  int64_t seconds = args[0].seconds();
  // Data may hold what CEL itself would not make.
  if (seconds < kMinTimestamp || seconds > kMaxTimestamp) return ctx.Error("timestamp overflow");
  if (args.size() > 1) {
    if (!args[1].IsString()) return NoSuchOverload(ctx);
    Result<int64_t> offset = OffsetInZone(args[1].AsString(), seconds);
    if (!offset) return ctx.Error(offset.error().message());
    seconds += *offset;
  }
  Civil civil = ToCivil(seconds);
  switch (kPart) {
    case Part::kYear: return Value::Int(civil.year);
    case Part::kMonth: return Value::Int(civil.month - 1);
    case Part::kDayOfYear: return Value::Int(civil.yearday - 1);
    case Part::kDayOfMonth: return Value::Int(civil.day - 1);
    case Part::kDate: return Value::Int(civil.day);
    case Part::kDayOfWeek: return Value::Int(civil.weekday);
    case Part::kHours: return Value::Int(civil.hour);
    case Part::kMinutes: return Value::Int(civil.minute);
    case Part::kSeconds: return Value::Int(civil.second);
    case Part::kMilliseconds: return Value::Int(args[0].nanos() / 1'000'000);
  }
  BW_UNREACHABLE();
}

template <Part kPart>
Value DurationPart(CallContext& ctx, Args args) {
  if (!args[0].IsDuration()) return NoSuchOverload(ctx);
  switch (kPart) {
    case Part::kHours: return Value::Int(args[0].seconds() / 3600);
    case Part::kMinutes: return Value::Int(args[0].seconds() / 60);
    case Part::kSeconds: return Value::Int(args[0].seconds());
    default: {
      // All of them, as in cel-go and so in Kubernetes; the specification has those of the last
      // second.
      auto nanos = NanosOf(args[0]);
      return nanos ? Value::Int(*nanos / 1'000'000) : ctx.Error("integer overflow");
    }
  }
}

// --- The tables ----------------------------------------------------------------------------------

struct Types {
  Type boolean = Type::Bool(), integer = Type::Int(), uint = Type::Uint(), real = Type::Double(),
       string = Type::String(), bytes = Type::Bytes(), timestamp = Type::Timestamp(),
       duration = Type::Duration(), dyn = Type::Dyn(), a = Type::Param(Type::Static(), "A"),
       b = Type::Param(Type::Static(), "B"), list = Type::List(Type::Static(), a),
       map = Type::Map(Type::Static(), a, b), type_of_a = Type::TypeOf(Type::Static(), a);
};

Overload Make(bool member, std::string_view id, std::vector<Type> params, Type result,
              Function function, ActualCost cost) {
  Overload o;
  o.id = id;
  o.member = member;
  o.params = std::move(params);
  o.result = result;
  o.function = function;
  o.actual_cost = cost;
  return o;
}
Overload Global(std::string_view id, std::vector<Type> params, Type result,
                Function function = nullptr, ActualCost cost = nullptr) {
  return Make(false, id, std::move(params), result, function, cost);
}
Overload Member(std::string_view id, std::vector<Type> params, Type result,
                Function function = nullptr, ActualCost cost = nullptr) {
  return Make(true, id, std::move(params), result, function, cost);
}
Overload NonStrict(Overload o) {
  o.non_strict = true;
  return o;
}

// The operators have no implementation here: the evaluator is that.
void AddOperators(std::vector<FunctionDecl>& out, const Types& t) {
  out.push_back({op::kConditional, {NonStrict(Global("conditional", {t.boolean, t.a, t.a}, t.a))}});
  out.push_back({op::kAnd, {NonStrict(Global("logical_and", {t.boolean, t.boolean}, t.boolean))}});
  out.push_back({op::kOr, {NonStrict(Global("logical_or", {t.boolean, t.boolean}, t.boolean))}});
  out.push_back({op::kNot, {Global("logical_not", {t.boolean}, t.boolean)}});
  out.push_back(
      {op::kNotStrictlyFalse, {NonStrict(Global("not_strictly_false", {t.boolean}, t.boolean))}});
  out.push_back({op::kEquals, {Global("equals", {t.a, t.a}, t.boolean)}});
  out.push_back({op::kNotEquals, {Global("not_equals", {t.a, t.a}, t.boolean)}});
  out.push_back({op::kAdd,
                 {Global("add_bytes", {t.bytes, t.bytes}, t.bytes),
                  Global("add_double", {t.real, t.real}, t.real),
                  Global("add_duration_duration", {t.duration, t.duration}, t.duration),
                  Global("add_duration_timestamp", {t.duration, t.timestamp}, t.timestamp),
                  Global("add_timestamp_duration", {t.timestamp, t.duration}, t.timestamp),
                  Global("add_int64", {t.integer, t.integer}, t.integer),
                  Global("add_list", {t.list, t.list}, t.list),
                  Global("add_string", {t.string, t.string}, t.string),
                  Global("add_uint64", {t.uint, t.uint}, t.uint)}});
  out.push_back({op::kSubtract,
                 {Global("subtract_double", {t.real, t.real}, t.real),
                  Global("subtract_duration_duration", {t.duration, t.duration}, t.duration),
                  Global("subtract_int64", {t.integer, t.integer}, t.integer),
                  Global("subtract_timestamp_duration", {t.timestamp, t.duration}, t.timestamp),
                  Global("subtract_timestamp_timestamp", {t.timestamp, t.timestamp}, t.duration),
                  Global("subtract_uint64", {t.uint, t.uint}, t.uint)}});
  out.push_back({op::kMultiply,
                 {Global("multiply_double", {t.real, t.real}, t.real),
                  Global("multiply_int64", {t.integer, t.integer}, t.integer),
                  Global("multiply_uint64", {t.uint, t.uint}, t.uint)}});
  out.push_back({op::kDivide,
                 {Global("divide_double", {t.real, t.real}, t.real),
                  Global("divide_int64", {t.integer, t.integer}, t.integer),
                  Global("divide_uint64", {t.uint, t.uint}, t.uint)}});
  out.push_back({op::kModulo,
                 {Global("modulo_int64", {t.integer, t.integer}, t.integer),
                  Global("modulo_uint64", {t.uint, t.uint}, t.uint)}});
  out.push_back({op::kNegate,
                 {Global("negate_double", {t.real}, t.real),
                  Global("negate_int64", {t.integer}, t.integer)}});
  out.push_back(
      {op::kIndex,
       {Global("index_list", {t.list, t.integer}, t.a), Global("index_map", {t.map, t.a}, t.b)}});
  out.push_back(
      {op::kIn,
       {Global("in_list", {t.a, t.list}, t.boolean), Global("in_map", {t.a, t.map}, t.boolean)}});
}

// The ids of relations are regular: "less_int64_double".
void AddRelation(std::vector<FunctionDecl>& out, const Types& t, std::string_view name,
                 std::string_view id) {
  struct Operands {
    std::string_view suffix;
    Type left, right;
  };
  const Operands operands[] = {
      {"bool", t.boolean, t.boolean},
      {"int64", t.integer, t.integer},
      {"int64_double", t.integer, t.real},
      {"int64_uint64", t.integer, t.uint},
      {"uint64", t.uint, t.uint},
      {"uint64_double", t.uint, t.real},
      {"uint64_int64", t.uint, t.integer},
      {"double", t.real, t.real},
      {"double_int64", t.real, t.integer},
      {"double_uint64", t.real, t.uint},
      {"string", t.string, t.string},
      {"bytes", t.bytes, t.bytes},
      {"timestamp", t.timestamp, t.timestamp},
      {"duration", t.duration, t.duration},
  };
  static auto* const ids = new std::list<std::string>;  // for the life of the process, as the table
  FunctionDecl decl{name, {}};
  for (const Operands& o : operands) {
    ids->push_back(std::string(id).append("_").append(o.suffix));
    decl.overloads.push_back(Global(ids->back(), {o.left, o.right}, t.boolean));
  }
  out.push_back(std::move(decl));
}

void AddConversions(std::vector<FunctionDecl>& out, const Types& t) {
  struct From {
    std::string_view id;
    Type type;
    ActualCost cost = nullptr;
  };
  auto add = [&](std::string_view name, Type to, Function function,
                 std::initializer_list<From> from) {
    FunctionDecl decl{name, {}};
    for (const From& f : from) {
      decl.overloads.push_back(Global(f.id, {f.type}, to, function, f.cost));
    }
    out.push_back(std::move(decl));
  };
  out.push_back({"type", {Global("type", {t.a}, t.type_of_a, TypeOf)}});
  out.push_back({"dyn", {Global("to_dyn", {t.a}, t.dyn, Identity)}});
  add("bool", t.boolean, ToBool, {{"bool_to_bool", t.boolean}, {"string_to_bool", t.string}});
  add("bytes", t.bytes, ToBytes,
      {{"bytes_to_bytes", t.bytes}, {"string_to_bytes", t.string, TraversalCost}});
  add("double", t.real, ToDouble,
      {{"double_to_double", t.real},
       {"int64_to_double", t.integer},
       {"string_to_double", t.string},
       {"uint64_to_double", t.uint}});
  add("duration", t.duration, ToDuration,
      {{"duration_to_duration", t.duration},
       {"int64_to_duration", t.integer},
       {"string_to_duration", t.string}});
  add("int", t.integer, ToInt,
      {{"int64_to_int64", t.integer},
       {"double_to_int64", t.real},
       {"duration_to_int64", t.duration},
       {"string_to_int64", t.string},
       {"timestamp_to_int64", t.timestamp},
       {"uint64_to_int64", t.uint}});
  add("string", t.string, ToText,
      {{"string_to_string", t.string},
       {"bool_to_string", t.boolean},
       {"bytes_to_string", t.bytes, TraversalCost},
       {"double_to_string", t.real},
       {"duration_to_string", t.duration},
       {"int64_to_string", t.integer},
       {"timestamp_to_string", t.timestamp},
       {"uint64_to_string", t.uint}});
  add("timestamp", t.timestamp, ToTimestamp,
      {{"timestamp_to_timestamp", t.timestamp},
       {"int64_to_timestamp", t.integer},
       {"string_to_timestamp", t.string}});
  add("uint", t.uint, ToUint,
      {{"uint64_to_uint64", t.uint},
       {"double_to_uint64", t.real},
       {"int64_to_uint64", t.integer},
       {"string_to_uint64", t.string}});
}

void AddStrings(std::vector<FunctionDecl>& out, const Types& t) {
  out.push_back(
      {"size",
       {Global("size_bytes", {t.bytes}, t.integer, Size),
        Member("bytes_size", {t.bytes}, t.integer, Size),
        Global("size_list", {t.list}, t.integer, Size),
        Member("list_size", {t.list}, t.integer, Size),
        Global("size_map", {t.map}, t.integer, Size), Member("map_size", {t.map}, t.integer, Size),
        Global("size_string", {t.string}, t.integer, Size),
        Member("string_size", {t.string}, t.integer, Size)}});
  out.push_back(
      {"contains",
       {Member("contains_string", {t.string, t.string}, t.boolean, Contains, ContainsCost)}});
  out.push_back(
      {"endsWith",
       {Member("ends_with_string", {t.string, t.string}, t.boolean, EndsWith, TraversalCost)}});
  out.push_back(
      {"startsWith",
       {Member("starts_with_string", {t.string, t.string}, t.boolean, StartsWith, TraversalCost)}});
  // cel-go counts the member by its work, the global form (its id is "matches") as 1.
  out.push_back(
      {"matches",
       {Global("matches", {t.string, t.string}, t.boolean, Matches),
        Member("matches_string", {t.string, t.string}, t.boolean, Matches, MatchesCost)}});
}

template <Part kPart>
FunctionDecl Accessor(const Types& t, std::string_view name, std::string_view id,
                      std::string_view zone_id) {
  return {name,
          {Member(id, {t.timestamp}, t.integer, TimestampPart<kPart>),
           Member(zone_id, {t.timestamp, t.string}, t.integer, TimestampPart<kPart>)}};
}

template <Part kPart>
FunctionDecl Accessor(const Types& t, std::string_view name, std::string_view id,
                      std::string_view zone_id, std::string_view duration_id) {
  FunctionDecl decl = Accessor<kPart>(t, name, id, zone_id);
  decl.overloads.push_back(Member(duration_id, {t.duration}, t.integer, DurationPart<kPart>));
  return decl;
}

void AddTime(std::vector<FunctionDecl>& out, const Types& t) {
  out.push_back(
      Accessor<Part::kYear>(t, "getFullYear", "timestamp_to_year", "timestamp_to_year_with_tz"));
  out.push_back(
      Accessor<Part::kMonth>(t, "getMonth", "timestamp_to_month", "timestamp_to_month_with_tz"));
  out.push_back(Accessor<Part::kDayOfYear>(t, "getDayOfYear", "timestamp_to_day_of_year",
                                           "timestamp_to_day_of_year_with_tz"));
  out.push_back(Accessor<Part::kDayOfMonth>(t, "getDayOfMonth", "timestamp_to_day_of_month",
                                            "timestamp_to_day_of_month_with_tz"));
  out.push_back(Accessor<Part::kDate>(t, "getDate", "timestamp_to_day_of_month_1_based",
                                      "timestamp_to_day_of_month_1_based_with_tz"));
  out.push_back(Accessor<Part::kDayOfWeek>(t, "getDayOfWeek", "timestamp_to_day_of_week",
                                           "timestamp_to_day_of_week_with_tz"));
  out.push_back(Accessor<Part::kHours>(t, "getHours", "timestamp_to_hours",
                                       "timestamp_to_hours_with_tz", "duration_to_hours"));
  out.push_back(Accessor<Part::kMinutes>(t, "getMinutes", "timestamp_to_minutes",
                                         "timestamp_to_minutes_with_tz", "duration_to_minutes"));
  out.push_back(Accessor<Part::kSeconds>(t, "getSeconds", "timestamp_to_seconds",
                                         "timestamp_to_seconds_tz", "duration_to_seconds"));
  out.push_back(Accessor<Part::kMilliseconds>(t, "getMilliseconds", "timestamp_to_milliseconds",
                                              "timestamp_to_milliseconds_with_tz",
                                              "duration_to_milliseconds"));
}

Library MakeStandardLibrary() {
  Types t;
  Library library;
  library.name = "stdlib";
  AddOperators(library.functions, t);
  AddRelation(library.functions, t, op::kLess, "less");
  AddRelation(library.functions, t, op::kLessEquals, "less_equals");
  AddRelation(library.functions, t, op::kGreater, "greater");
  AddRelation(library.functions, t, op::kGreaterEquals, "greater_equals");
  AddStrings(library.functions, t);
  AddConversions(library.functions, t);
  AddTime(library.functions, t);
  std::span<const Macro> macros = StandardMacros();
  library.macros.assign(macros.begin(), macros.end());
  for (auto [name, type] : std::initializer_list<std::pair<std::string_view, Type>>{
           {"bool", t.boolean},
           {"bytes", t.bytes},
           {"double", t.real},
           {"google.protobuf.Duration", t.duration},
           {"int", t.integer},
           {"list", t.list},
           {"map", t.map},
           {"null_type", Type::Null()},
           {"string", t.string},
           {"google.protobuf.Timestamp", t.timestamp},
           {"type", Type::TypeOfType()},
           {"uint", t.uint}}) {
    library.types.emplace_back(name, type);
  }
  return library;
}

}  // namespace

const Library& StandardLibrary() {
  static const auto* const library = new Library(MakeStandardLibrary());
  return *library;
}

bool IsStandardOverload(std::string_view id) {
  static const auto* const ids = [] {
    auto* set = new std::unordered_set<std::string_view>;
    for (const FunctionDecl& decl : StandardLibrary().functions) {
      for (const Overload& overload : decl.overloads) set->insert(overload.id);
    }
    return set;
  }();
  return ids->contains(id);
}

}  // namespace bulwark::cel
