#include "features/posture/rego_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/path.h"
#include "base/text.h"
#include "formats/json.h"
#include "formats/source_map.h"
#include "kube/object.h"
#include "lang/rego/ast/printer.h"
#include "lang/rego/bundle/loader.h"
#include "lang/rego/rego.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::posture {

namespace {

constexpr size_t kMaxMessages = 1000;  // of one rule about one object

bool Says(std::string_view name, std::string_view word) {
  return name == word || (name.starts_with(word) && name.substr(word.size()).starts_with('_'));
}

std::string PackageOf(const rego::Module& module) {
  std::string text;
  rego::AppendRefText(module.package.path, text);
  return text.starts_with("data.") ? text.substr(5) : text;
}

std::string TextAt(const Value& metadata, std::string_view key) {
  return std::string(metadata.StringAt(key));
}

// What METADATA says of a rule; the first block that is about it.
Value MetadataOf(const rego::Rule& rule) {
  for (const rego::Annotations* block : rule.annotations) {
    if (block->scope == "rule" || block->scope == "document") return block->value;
  }
  return {};
}

struct RegoCheck {
  std::string query;
  std::shared_ptr<const rego::PreparedQuery> prepared;
};

}  // namespace

struct RegoChecks::Rep {
  std::unique_ptr<Arena> arena;
  Value data = Value::EmptyMap();
  std::shared_ptr<const rego::Policy> policy;
  std::vector<CheckInfo> infos;
  std::vector<RegoCheck> checks;

  Result<> AddRule(const rego::Module& module, const rego::Rule& rule,
                   std::map<std::string, size_t>& known);
};

RegoChecks::RegoChecks() : rep_(std::make_unique<Rep>()) {}
RegoChecks::~RegoChecks() = default;

std::span<const CheckInfo> RegoChecks::infos() const { return rep_->infos; }

Result<> RegoChecks::Rep::AddRule(const rego::Module& module, const rego::Rule& rule,
                                  std::map<std::string, size_t>& known) {
  std::string package = PackageOf(module), name(rule.head.name);
  bool warns = Says(name, "warn");
  if (!warns && !Says(name, "deny") && !Says(name, "violation")) return Ok{};
  std::string full = fmt::format("{}.{}", package, name);
  Value metadata = MetadataOf(rule), custom = metadata["custom"];
  auto [place, fresh] = known.try_emplace(full, infos.size());
  // Several definitions are one rule; the first that has METADATA speaks for it.
  if (!fresh && (metadata.IsNull() || !infos[place->second].title.en.empty())) return Ok{};
  if (fresh) {
    infos.emplace_back();
    RegoCheck& check = checks.emplace_back();
    check.query = "data." + full;
    auto prepared = policy->Prepare(check.query);
    if (!prepared) return std::move(prepared).error().While(check.query);
    check.prepared = *std::move(prepared);
  }
  CheckInfo& info = infos[place->second];
  info.id = custom["id"].IsString() ? std::string(custom.StringAt("id")) : full;
  info.severity = warns ? Severity::kMedium : Severity::kHigh;
  if (std::string word = TextAt(custom, "severity"); !word.empty()) {
    auto severity = ParseSeverity(AsciiLower(word));
    if (!severity) {
      return Error(Code::kInvalid,
                   fmt::format("{}:{}: custom.severity: no such severity: {}; there are critical, "
                               "high, medium, low, info",
                               module.file, rule.at.row, word));
    }
    info.severity = *severity;
  }
  info.category = "security";
  for (const Category& category : kCategories) {
    if (category.id == custom.StringAt("category")) info.category = category.id;
  }
  info.title = {TextAt(metadata, "title"), TextAt(custom, "title_zh")};
  info.description = {TextAt(metadata, "description"), TextAt(custom, "description_zh")};
  info.remedy = {TextAt(custom, "remedy"), TextAt(custom, "remedy_zh")};
  info.message = {"{message}", "{message}"};
  info.origin = module.file;
  return Ok{};
}

Result<std::shared_ptr<const RegoChecks>> RegoChecks::Load(const std::vector<std::string>& paths) {
  rego::LoadOptions options;
  options.ignore = {".*", "*_test.rego"};
  auto loaded = BW_TRY(rego::LoadPaths(paths, options));
  std::shared_ptr<RegoChecks> made(new RegoChecks());
  Rep& rep = *made->rep_;
  rep.arena = std::move(loaded.arena);
  rep.data = loaded.documents;
  rep.policy = BW_TRY(rego::Policy::Compile(std::move(loaded.modules), {}));
  std::map<std::string, size_t> known;
  for (const auto& module : rep.policy->resolution().modules) {
    for (const rego::Rule* rule : module->rules) BW_TRY(rep.AddRule(*module, *rule, known));
  }
  for (CheckInfo& info : rep.infos) {
    if (info.title.empty()) info.title.en = info.id;
  }
  if (rep.infos.empty()) {
    return Error(Code::kInvalid,
                 fmt::format("no rule deny, violation or warn in {}", fmt::join(paths, ", ")));
  }
  return std::shared_ptr<const RegoChecks>(std::move(made));
}

namespace {

// What a rule said about one object.
struct Message {
  std::string text, path;
};

Message MessageOf(const Value& item) {
  Message out;
  if (item.IsString()) {
    out.text = item.AsString();
  } else if (item.IsMap()) {
    out.text = item.StringAt("msg");
    out.path = item.StringAt("path");
    if (out.text.empty()) out.text = ToJson(item);
  } else {
    out.text = ToJson(item);
  }
  return out;
}

std::vector<Message> MessagesOf(const Value& value, const CheckInfo& info) {
  std::vector<Message> out;
  if (value.IsTrue()) {
    out.push_back({info.title.en, ""});
  } else if (value.IsString()) {
    out.push_back(MessageOf(value));
  } else if (value.IsMap()) {
    // `deny[msg] if …` of v1: messages are keys.
    for (const auto& [key, holds] : value.entries()) {
      if (holds.IsTrue() && out.size() < kMaxMessages) out.push_back(MessageOf(key));
    }
  } else {
    for (const Value& item : value.items()) {
      if (out.size() < kMaxMessages) out.push_back(MessageOf(item));
    }
  }
  return out;
}

Place PlaceOf(const Subject& subject, const Path& path) {
  if (subject.place_of) return subject.place_of(path);
  Place place = subject.place;
  if (subject.positions == nullptr) return place;
  const Value* slot = FindDeepest(*subject.object, path);
  auto at = subject.positions->Of(slot);
  if (!at) return place;
  place.line = at->line;
  place.column = at->column;
  return place;
}

}  // namespace

Tally RegoChecks::Run(const Subject& subject, const CheckOptions& options, Findings& findings,
                      std::vector<Tally>& by_check) const {
  Tally tally;
  Asset asset = kube::Object(*subject.object).ToAsset(options.cluster);
  rego::EvalOptions eval;
  eval.input = subject.object;
  eval.data = &rep_->data;
  eval.limits.time = std::chrono::seconds(1);
  eval.limits.memory_bytes = size_t{256} << 20;
  Arena arena;
  std::string args;
  for (size_t i = 0; i < rep_->checks.size(); ++i) {
    const CheckInfo& info = rep_->infos[i];
    auto record = [&](Status status, const Message& message) {
      FindingView finding{.check = info.id,
                          .severity = info.severity,
                          .status = status,
                          .asset = &asset,
                          .path = message.path,
                          .stable_path = message.path};
      Place place = subject.place;
      std::string value;
      if (auto path = ParsePath(message.path); path && !message.path.empty()) {
        place = PlaceOf(subject, *path);
        const Value* there = FindPath(*subject.object, *path);
        if (there != nullptr && info.category != "secrets") {
          value = there->IsString() ? std::string(there->AsString()) : ToJson(*there);
          value = TruncateToWidth(value, 100);
        }
      }
      // Where nothing says where, the message tells one finding of an object from another.
      if (message.path.empty()) finding.stable_path = message.text;
      finding.value = value;
      finding.file = place.file;
      finding.line = place.line;
      finding.column = place.column;
      args.clear();
      PackArg(args, status == Status::kError ? "error" : "message", message.text);
      finding.args = args;
      std::optional<Excused> excused;
      if (status == Status::kFail && options.exceptions != nullptr &&
          !options.exceptions->empty()) {
        excused = options.exceptions->Find(info.id, asset, *subject.object, "", {});
        if (excused) finding.excused = &*excused;
      }
      tally.Add(info.severity, status, excused.has_value());
      by_check[i].Add(info.severity, status, excused.has_value());
      findings.Add(finding);
    };
    auto value = rep_->checks[i].prepared->EvaluateOne(eval, arena);
    if (!value) {
      record(Status::kError, {value.error().message(), ""});
      continue;
    }
    std::vector<Message> messages;
    if (*value) messages = MessagesOf(**value, info);
    for (const Message& message : messages) record(Status::kFail, message);
    if (messages.empty()) {
      tally.Add(info.severity, Status::kPass, false);
      by_check[i].Add(info.severity, Status::kPass, false);
    }
  }
  return tally;
}

}  // namespace bulwark::posture
