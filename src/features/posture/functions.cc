#include "features/posture/functions.h"

#include "detect/secrets.h"
#include "kube/object.h"
#include "kube/schema.h"
#include "oci/reference.h"

namespace bulwark::posture {

namespace {

using cel::CallContext;

Value Text(Arena& arena, std::string_view text) { return Value::String(arena, text); }

// What image() gave for the images of this object: a dozen checks ask for each.
struct KnownImages {
  Arena arena;
  std::vector<std::pair<std::string_view, Value>> all;
};
KnownImages& Known() {
  thread_local KnownImages known;
  return known;
}

Value Image(CallContext& c, std::span<const Value> args) {
  if (!args[0].IsString()) return cel::NoSuchOverload(c);
  KnownImages& known = Known();
  for (const auto& [text, value] : known.all) {
    if (text == args[0].AsString()) return value;
  }
  auto reference = oci::ParseReference(args[0].AsString());
  if (!reference) return c.Error("not an image reference: " + std::string(args[0].AsString()));
  // Kept until the next object, if they are no more than an object usually has.
  constexpr size_t kMany = 32;
  bool keep = known.all.size() < kMany;
  Arena& arena = keep ? known.arena : c.arena;
  Value value = MapBuilder(arena)
                    .Add("registry", Text(arena, reference->registry))
                    .Add("repository", Text(arena, reference->repository))
                    .Add("name", Text(arena, reference->name()))
                    .Add("tag", Text(arena, reference->tag))
                    .Add("digest", Text(arena, reference->digest))
                    .Finish();
  if (keep) known.all.emplace_back(arena.Copy(args[0].AsString()), value);
  return value;
}

Value SecretList(CallContext& c, const std::vector<detect::Secret>& found) {
  std::vector<Value> out;
  for (const detect::Secret& secret : found) {
    out.push_back(MapBuilder(c.arena)
                      .Add("kind", Text(c.arena, secret.kind))
                      .Add("masked", Text(c.arena, secret.masked))
                      .Finish());
  }
  return Value::Array(c.arena, out);
}

Value Secrets(CallContext& c, std::span<const Value> args) {
  if (!args[0].IsString()) return cel::NoSuchOverload(c);
  return SecretList(c, detect::FindSecrets(args[0].AsString()));
}

Value SecretValue(CallContext& c, std::span<const Value> args) {
  if (!args[0].IsString() || !args[1].IsString()) return cel::NoSuchOverload(c);
  return SecretList(c, detect::FindSecretValue(args[0].AsString(), args[1].AsString()));
}

Value Selects(CallContext&, std::span<const Value> args) {
  return Value::Bool(kube::Selects(args[0], args[1]));
}

// The problems of the object that was asked for last.
struct LastProblems {
  Value object;
  int64_t target = -1;
  Arena arena;
  Value problems;
};
LastProblems& Last() {
  thread_local LastProblems last;
  return last;
}

// Whether two values are the same place in memory.
bool IsSame(const Value& a, const Value& b) {
  return a.IsMap() && b.IsMap() && a.size() == b.size() && a.entries().data() == b.entries().data();
}

Value SchemaProblems(CallContext& c, std::span<const Value> args) {
  if (!args[1].IsInt()) return cel::NoSuchOverload(c);
  LastProblems& last = Last();
  if (last.target == args[1].AsInt() && IsSame(last.object, args[0])) return last.problems;
  last.arena.Reset();
  last.object = args[0];
  last.target = args[1].AsInt();
  std::vector<kube::SchemaProblem> problems;
  kube::Schemas::BuiltIn().Validate(args[0], static_cast<int>(last.target), {}, problems);
  std::vector<Value> out;
  for (const kube::SchemaProblem& p : problems) {
    out.push_back(MapBuilder(last.arena)
                      .Add("path", Text(last.arena, p.path))
                      .Add("kind", Text(last.arena, kube::SchemaProblemName(p.kind)))
                      .Add("expected", Text(last.arena, p.expected))
                      .Add("found", Text(last.arena, p.found))
                      .Add("suggestion", Text(last.arena, p.suggestion))
                      .Finish());
  }
  last.problems = Value::Array(last.arena, out);
  return last.problems;
}

Value LifecycleOf(CallContext& c, std::span<const Value> args) {
  if (!args[1].IsInt()) return cel::NoSuchOverload(c);
  const auto& schemas = kube::Schemas::BuiltIn();
  std::string_view api = args[0].StringAt("apiVersion");
  std::string_view kind = args[0].StringAt("kind");
  auto life = schemas.LifecycleOf(api, kind);
  auto instead = schemas.ReplacementFor(api, kind, static_cast<int>(args[1].AsInt()));
  std::string replacement;
  if (instead) {
    replacement = instead->first;
    if (instead->second != kind) replacement.append(" ").append(instead->second);
  }
  return MapBuilder(c.arena)
      .Add("deprecated", Value::Int(life ? life->deprecated.value_or(0) : 0))
      .Add("removed", Value::Int(life ? life->removed.value_or(0) : 0))
      .Add("replacement", Text(c.arena, replacement))
      .Finish();
}

}  // namespace

void ForgetObject() {
  Last().target = -1;
  Known().all.clear();
  Known().arena.Reset();
}

const cel::Library& CheckFunctions() {
  static const cel::Library library = [] {
    using cel::Type;
    const Type string = Type::String();
    const Type dyn = Type::Dyn();
    auto one = [](std::string_view name, std::vector<Type> params, Type result, cel::Function f) {
      return cel::FunctionDecl{
          name, {{.id = name, .params = std::move(params), .result = result, .function = f}}};
    };
    cel::Library out;
    out.name = "bulwark";
    out.functions = {
        one("image", {string}, dyn, Image),
        one("secrets", {string}, dyn, Secrets),
        one("secretValue", {string, string}, dyn, SecretValue),
        one("selects", {dyn, dyn}, Type::Bool(), Selects),
        one("schemaProblems", {dyn, Type::Int()}, dyn, SchemaProblems),
        one("lifecycle", {dyn, Type::Int()}, dyn, LifecycleOf),
    };
    return out;
  }();
  return library;
}

}  // namespace bulwark::posture
