#include "lang/rego/ast/annotations.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "lang/rego/ast/annotations_yaml.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/ast/parser_impl.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::rego {
namespace {

constexpr std::string_view kParseError = "rego_parse_error";

std::string_view Trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool BeginsBlock(const Comment& comment) {
  return comment.at.column == 1 && Trim(comment.text).starts_with("METADATA");
}

// One block while it is read.
class Block {
 public:
  Block(Module& module, std::span<const Comment> lines, const Location& at)
      : module_(module), lines_(lines), at_(at) {}

  bool Read(Annotations& out, std::vector<Diagnostic>& errors) {
    for (const Comment& line : lines_) {
      std::string_view text = line.text;
      if (text.starts_with(' ')) text.remove_prefix(1);
      yaml_.append(text);
      yaml_ += '\n';
    }
    if (Trim(yaml_).empty()) return Fail(errors, "expected METADATA block, found whitespace");
    Result<AnnotationFields> fields = ReadAnnotationFields(yaml_, module_.arena);
    if (!fields) return FailYaml(errors, fields.error().message());
    return Fill(*fields, out, errors);
  }

 private:
  bool Fail(std::vector<Diagnostic>& errors, std::string message) {
    Diagnostic error;
    error.code = kParseError;
    error.message = std::move(message);
    error.file = module_.file;
    error.at = at_;
    error.details = SourceLine(module_.text, at_.offset);
    errors.push_back(std::move(error));
    return false;
  }

  // The comment that go-yaml's line is said to be on.
  void Place(size_t line) {
    if (!lines_.empty()) at_ = lines_[std::min(line, lines_.size() - 1)].at;
  }

  bool FailYaml(std::vector<Diagnostic>& errors, const std::string& message) {
    std::string_view rest = message;
    for (std::string_view head : {"yaml: unmarshal errors:\n  line ", "yaml: line "}) {
      if (!rest.starts_with(head)) continue;
      rest.remove_prefix(head.size());
      size_t line = 0;
      std::from_chars(rest.data(), rest.data() + rest.size(), line);
      Place(line);
      return Fail(errors, WithHints(message));
    }
    Place(0);
    return Fail(errors, WithHints(message));
  }

  // Where a `:` is followed by something that looks like a blank and is none.
  std::string WithHints(std::string message) const {
    for (const Comment& line : lines_) {
      std::string_view rest = line.text;
      size_t colon = rest.find(':');
      std::string found;
      while (colon != std::string_view::npos) {
        rest.remove_prefix(colon + 1);
        colon = rest.find(':');
        const std::string_view part = rest.substr(0, colon);
        if (part.empty() && colon == std::string_view::npos) break;
        if (!part.empty() && (part[0] == ' ' || part[0] == '\t')) break;
        if (!found.empty()) found += ' ';
        found += QuotedAscii(part);
      }
      if (found.empty()) continue;
      message += "\n  Hint: on line " + std::to_string(line.at.row) + ", symbol(s) [" + found +
                 "] immediately following a key/value separator ':' is not a legal yaml space "
                 "character";
    }
    return message;
  }

  // The first character as Go's %+q prints it.
  static std::string QuotedAscii(std::string_view part) {
    if (part.empty()) return "\"\\ufffd\"";
    const auto first = static_cast<unsigned char>(part[0]);
    size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    size = std::min(size, part.size());
    if (size == 1) {
      std::string quoted;
      AppendQuoted(part.substr(0, 1), quoted);
      return first < 0x80 ? "'" + quoted.substr(1, quoted.size() - 2) + "'" : "'\\ufffd'";
    }
    uint32_t code = first & (size == 2 ? 0x1F : size == 3 ? 0x0F : 0x07);
    for (size_t i = 1; i < size; ++i)
      code = (code << 6) | (static_cast<unsigned char>(part[i]) & 0x3F);
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out = code < 0x10000 ? "'\\u" : "'\\U";
    for (int shift = code < 0x10000 ? 12 : 28; shift >= 0; shift -= 4)
      out += kHex[(code >> shift) & 15];
    return out + "'";
  }

  Value Text(std::string_view text) { return Value::String(module_.arena, text); }

  bool Fill(const AnnotationFields& raw, Annotations& out, std::vector<Diagnostic>& errors) {
    Arena& arena = module_.arena;
    out.scope = arena.Copy(raw.scope);
    out.entrypoint = raw.entrypoint;
    MapBuilder map(arena);
    if (!raw.title.empty()) map.Add("title", Text(raw.title));
    if (!raw.description.empty()) map.Add("description", Text(raw.description));
    if (out.entrypoint) map.Add("entrypoint", Value::Bool(true));
    std::vector<Value> list;
    for (const std::string& item : raw.organizations) list.push_back(Text(item));
    if (!list.empty()) map.Add("organizations", Value::Array(arena, list));
    list.clear();
    for (const Value& item : raw.related_resources) {
      Value resource;
      if (!RelatedResource(item, resource, errors)) return false;
      list.push_back(resource);
    }
    if (!list.empty()) map.Add("related_resources", Value::Array(arena, list));
    if (raw.has_compile && !Compile(raw.compile, map, errors)) return false;
    list.clear();
    for (const Value& item : raw.schemas) {
      Value schema;
      if (!Schema(item, schema, errors)) return false;
      list.push_back(schema);
    }
    if (!list.empty()) map.Add("schemas", Value::Array(arena, list));
    list.clear();
    for (const Value& item : raw.authors) {
      Value author;
      if (!Author(item, author, errors)) return false;
      list.push_back(author);
    }
    if (!list.empty()) map.Add("authors", Value::Array(arena, list));
    if (!AddMap("custom", raw.custom, map, errors) || !AddMap("labels", raw.labels, map, errors)) {
      return false;
    }
    out.value = map.Finish();
    out.at = at_;
    out.end = lines_.empty() ? at_ : lines_.back().at;
    return true;
  }

  bool AddMap(std::string_view name, const Value& raw, MapBuilder& map,
              std::vector<Diagnostic>& errors) {
    for (const auto& [key, item] : raw.entries()) {
      std::string path;
      if (!TextKeys(item, path)) return Fail(errors, "invalid map key type(s): " + path);
    }
    if (!raw.empty()) map.Add(name, raw);
    return true;
  }

  // Whether all keys are text, as far as OPA looks: it goes on below lists, and below maps that
  // have other keys. `path` leads to the map where that is not so.
  static bool TextKeys(const Value& value, std::string& path) {
    const size_t length = path.size();
    const auto step = [&](std::string_view name) {
      path.resize(length);
      if (!path.empty()) path += '/';
      path += name;
    };
    if (value.IsArray()) {
      for (size_t i = 0; i < value.items().size(); ++i) {
        step(std::to_string(i));
        if (!TextKeys(value.items()[i], path)) return false;
      }
    } else if (value.IsMap()) {
      for (const auto& [key, item] : value.entries()) {
        path.resize(length);
        if (!key.IsString()) return false;
        step(key.AsString());
        if (!TextKeys(item, path)) return false;
      }
    }
    path.resize(length);
    return true;
  }

  // As Go prints a value in a message.
  static std::string Shown(const Value& value) {
    if (value.IsString()) return std::string(value.AsString());
    std::string out;
    if (value.IsMap()) {
      std::map<std::string, std::string> sorted;
      for (const auto& [key, item] : value.entries()) sorted[Shown(key)] = Shown(item);
      for (const auto& [key, item] : sorted) out += (out.empty() ? "" : " ") + key + ":" + item;
      return "map[" + out + "]";
    }
    if (value.IsArray()) {
      for (const Value& item : value.items()) out += (out.empty() ? "" : " ") + Shown(item);
      return "[" + out + "]";
    }
    if (value.IsNull()) return "%!s(<nil>)";
    AppendScalar(value, out);
    if (value.IsBool()) return "%!s(bool=" + out + ")";
    if (value.IsInt()) return "%!s(int=" + out + ")";
    return "%!s(float64=" + out + ")";
  }

  bool RelatedResource(const Value& item, Value& out, std::vector<Diagnostic>& errors) {
    std::string_view complaint;
    std::string_view ref;
    std::string_view description;
    if (item.IsString()) {
      ref = item.AsString();
      if (ref.empty()) complaint = "ref URL may not be empty string";
    } else if (item.IsMap()) {
      description = Trim(item.StringAt("description"));
      ref = Trim(item.StringAt("ref"));
      if (ref.empty()) complaint = "'ref' value required in object";
    } else {
      complaint = "invalid value type, must be string or map";
    }
    std::string url_error;
    if (complaint.empty()) {
      url_error = CheckUrl(ref);
      complaint = url_error;
    }
    if (!complaint.empty()) {
      return Fail(errors, "invalid related-resource definition " + Shown(item) + ": " +
                              std::string(complaint));
    }
    MapBuilder map(module_.arena);
    map.Add("ref", Text(EscapeUrl(ref)));
    if (!description.empty()) map.Add("description", Value::String(description));
    out = map.Finish();
    return true;
  }

  // The commonest reasons why Go's url.Parse refuses a text; empty: it takes it.
  static std::string CheckUrl(std::string_view url) {
    const auto fail = [&](std::string_view why) {
      std::string out = "parse ";
      AppendQuoted(url, out);
      return out.append(": ").append(why);
    };
    for (char c : url) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        return fail("net/url: invalid control character in URL");
      }
    }
    const size_t colon = url.find_first_of(":/?#");
    if (colon == 0 && url[0] == ':') return fail("missing protocol scheme");
    if (colon != std::string_view::npos && url[colon] == ':') {
      const std::string_view scheme = url.substr(0, colon);
      const char first = static_cast<char>(scheme[0] | 0x20);
      const bool plain = std::all_of(scheme.begin(), scheme.end(), [](char c) {
        return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
               c == '-' || c == '.';
      });
      if (first < 'a' || first > 'z') return fail("first path segment in URL cannot contain colon");
      if (!plain) return fail("first path segment in URL cannot contain colon");
    }
    for (size_t i = 0; i < url.size(); ++i) {
      if (url[i] != '%') continue;
      const auto hex = [&](size_t at) {
        return at < url.size() && std::isxdigit(static_cast<unsigned char>(url[at])) != 0;
      };
      if (!hex(i + 1) || !hex(i + 2)) {
        std::string escape;
        AppendQuoted(url.substr(i, 3), escape);
        return fail("invalid URL escape " + escape);
      }
    }
    return {};
  }

  // As Go prints the URL again: what may not stand in a path is escaped, but for the query.
  static std::string EscapeUrl(std::string_view url) {
    std::string out;
    bool query = false;
    for (char c : url) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '?') query = true;
      if (c == '#') query = false;
      if (query || (byte > 0x20 && byte < 0x7F &&
                    std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos)) {
        out += c;
        continue;
      }
      static constexpr char kHex[] = "0123456789ABCDEF";
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
    return out;
  }

  bool Author(const Value& item, Value& out, std::vector<Diagnostic>& errors) {
    std::string_view complaint;
    std::string name;
    std::string_view email;
    if (item.IsString()) {
      std::vector<std::string_view> words;
      std::string_view rest = Trim(item.AsString());
      while (!rest.empty()) {
        size_t end = 0;
        while (end < rest.size() && rest[end] != ' ' && (rest[end] < '\t' || rest[end] > '\r'))
          ++end;
        words.push_back(rest.substr(0, end));
        rest = Trim(rest.substr(end));
      }
      if (words.empty()) {
        complaint = "author is an empty string";
      } else {
        const std::string_view last = words.back();
        if (last.size() >= 2 && last.starts_with('<') && last.ends_with('>')) {
          email = last.substr(1, last.size() - 2);
          words.pop_back();
        }
        for (std::string_view word : words) {
          if (!name.empty()) name += ' ';
          name += word;
        }
      }
    } else if (item.IsMap()) {
      name = Trim(item.StringAt("name"));
      email = Trim(item.StringAt("email"));
      if (name.empty() && email.empty()) {
        complaint = "'name' and/or 'email' values required in object";
      }
    } else {
      complaint = "invalid value type, must be string or map";
    }
    if (!complaint.empty()) {
      return Fail(errors,
                  "invalid author definition " + Shown(item) + ": " + std::string(complaint));
    }
    MapBuilder map(module_.arena);
    if (!name.empty()) map.Add("name", Value::String(module_.arena, name));
    if (!email.empty()) map.Add("email", Value::String(email));
    out = map.Finish();
    return true;
  }

  // `data.a["b"]` as an array of its operands, the head's name first.
  std::optional<Value> RefValue(std::string_view text, bool var_too) {
    ParseOptions options;
    Result<std::unique_ptr<Query>> query = rego::ParseQuery(std::string(text), options);
    why_ = "failed to parse term: ";
    if (!query) {
      why_ += query.error().message();
      return std::nullopt;
    }
    if ((*query)->body.size() != 1) {
      why_ += "expected exactly one term but got: " + ToText((*query)->body);
      return std::nullopt;
    }
    if ((*query)->body[0]->kind != ExprKind::kTerm) {
      why_ += "expected term but got " + ToText(*(*query)->body[0]);
      return std::nullopt;
    }
    const Term& term = *(*query)->body[0]->term;
    std::vector<Value> items;
    if (term.kind == TermKind::kRef) {
      for (const Term* item : term.items) {
        if (item->kind == TermKind::kVar) {
          items.push_back(Value::String(module_.arena, item->name));
        } else if (item->kind == TermKind::kScalar) {
          items.push_back(item->value.CopyTo(module_.arena));
        } else {
          items.push_back(Value::String(module_.arena, ToText(*item)));
        }
      }
    } else if (var_too && term.kind == TermKind::kVar) {
      items.push_back(Value::String(module_.arena, term.name));
    } else {
      why_ = "expected ref but got " + ToText(term);
      return std::nullopt;
    }
    return Value::Array(module_.arena, items);
  }

  bool Compile(const Value& raw, MapBuilder& map, std::vector<Diagnostic>& errors) {
    MapBuilder out(module_.arena);
    std::vector<Value> refs;
    for (const Value& item : raw["unknowns"].items()) {
      if (!item.IsString()) continue;
      const std::optional<Value> ref = RefValue(item.AsString(), false);
      if (!ref) {
        std::string quoted;
        AppendQuoted(item.AsString(), quoted);
        return Fail(errors,
                    "invalid unknowns element " + quoted + ": failed to parse ref: " + why_);
      }
      refs.push_back(*ref);
    }
    if (!refs.empty()) out.Add("unknowns", Value::Array(module_.arena, refs));
    if (const Value* mask = raw.Find("mask_rule"); mask != nullptr && mask->IsString()) {
      const std::optional<Value> ref = RefValue(mask->AsString(), true);
      if (!ref) {
        std::string quoted;
        AppendQuoted(mask->AsString(), quoted);
        return Fail(errors, "invalid mask_rule annotation " + quoted + ": " + why_);
      }
      out.Add("mask_rule", *ref);
    }
    map.Add("compile", out.Finish());
    return true;
  }

  bool Schema(const Value& pair, Value& out, std::vector<Diagnostic>& errors) {
    std::string_view path;
    Value declared;
    if (!pair.entries().empty()) {
      const Value::Entry& entry = pair.entries()[0];
      if (entry.key.IsString()) path = entry.key.AsString();
      declared = entry.value;
    }
    MapBuilder map(module_.arena);
    const std::optional<Value> ref = RefValue(path, false);
    if (!ref) return Fail(errors, "invalid document reference");
    map.Add("path", *ref);
    if (declared.IsString()) {
      const std::optional<Value> schema = RefValue(declared.AsString(), true);
      if (!schema || schema->items()[0].AsString() != "schema") {
        return Fail(errors, "invalid schema reference");
      }
      map.Add("schema", *schema);
    } else if (declared.IsMap()) {
      map.Add("definition", declared);
    } else {
      std::string quoted;
      AppendQuoted(path, quoted);
      return Fail(errors, "invalid schema declaration for path " + quoted);
    }
    out = map.Finish();
    return true;
  }

  Module& module_;
  std::span<const Comment> lines_;
  Location at_;
  std::string yaml_;
  std::string why_;  // the last RefValue() failed
};

Diagnostic ScopeError(const Module& module, const Annotations& a, std::string message) {
  Diagnostic error;
  error.code = kParseError;
  error.message = std::move(message);
  error.file = module.file;
  error.at = a.at;
  return error;
}

// What an annotation belongs to: the first statement below it.
struct Target {
  enum Kind : uint8_t { kNone, kPackage, kImport, kRule } kind = kNone;
  const Rule* rule = nullptr;
};

// The rule's path down to the first operand that is not ground.
std::string GroundPath(const Rule& rule) {
  std::span<Term* const> ref = rule.head.ref;
  size_t ground = 1;
  while (ground < ref.size() && IsGroundHead(ref.first(ground + 1))) ++ground;
  std::string out;
  for (const Term* item : ref.first(ground)) {
    AppendText(*item, out);
    out += '\0';
  }
  return out;
}

void AttachToRules(Module& module) {
  struct Group {
    std::vector<size_t> documents;
    std::vector<size_t> by_row;
    size_t next = 0;
    std::vector<size_t> pending;
  };
  std::map<std::string, Group> groups;
  const auto& all = module.annotations;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i]->rule == nullptr) continue;
    if (all[i]->scope == "document") {
      groups[GroundPath(*all[i]->rule)].documents.push_back(i);
    } else if (all[i]->scope == "rule") {
      groups[GroundPath(*all[i]->rule)].by_row.push_back(i);
    }
  }
  if (groups.empty()) return;
  for (auto& [path, group] : groups) {
    std::stable_sort(group.by_row.begin(), group.by_row.end(),
                     [&](size_t x, size_t y) { return all[x]->at.row < all[y]->at.row; });
  }
  for (Rule* rule : module.rules) {
    const auto found = groups.find(GroundPath(*rule));
    if (found == groups.end()) continue;
    Group& group = found->second;
    while (group.next < group.by_row.size() &&
           all[group.by_row[group.next]]->at.row < rule->at.row) {
      const size_t i = group.by_row[group.next++];
      group.pending.insert(std::lower_bound(group.pending.begin(), group.pending.end(), i), i);
    }
    std::vector<size_t> chosen;
    std::merge(group.documents.begin(), group.documents.end(), group.pending.begin(),
               group.pending.end(), std::back_inserter(chosen));
    std::vector<Annotations*> attached;
    attached.reserve(chosen.size());
    for (size_t i : chosen) attached.push_back(all[i]);
    rule->annotations = module.arena.Copy(std::span<Annotations* const>(attached));
    if (!group.pending.empty()) group.pending.pop_back();
  }
}

}  // namespace

void ReadAnnotations(Module& module, std::vector<Diagnostic>& errors) {
  const std::vector<Comment>& comments = module.comments;
  for (size_t i = 0; i < comments.size();) {
    if (!BeginsBlock(comments[i])) {
      ++i;
      continue;
    }
    const Location at = comments[i].at;
    const size_t first = ++i;
    while (i < comments.size() && comments[i].at.column == 1 &&
           comments[i].at.row == comments[i - 1].at.row + 1 && !BeginsBlock(comments[i])) {
      ++i;
    }
    Annotations* annotations = module.arena.New<Annotations>();
    Block block(module, std::span(comments).subspan(first, i - first), at);
    if (block.Read(*annotations, errors)) module.annotations.push_back(annotations);
    // OPA passes over what ended the block, but for the next block's beginning.
    if (i < comments.size() && !BeginsBlock(comments[i])) ++i;
  }
}

void AttachAnnotations(Module& module, std::vector<Diagnostic>& errors) {
  if (module.annotations.empty()) return;
  struct Placed {
    uint32_t row;
    Target target;
  };
  std::vector<Placed> statements;
  statements.push_back({module.package.at.row, {Target::kPackage, nullptr}});
  for (const Import* import : module.imports) {
    statements.push_back({import->at.row, {Target::kImport, nullptr}});
  }
  for (const Rule* rule : module.rules) {
    statements.push_back({rule->at.row, {Target::kRule, rule}});
  }
  std::stable_sort(statements.begin(), statements.end(),
                   [](const Placed& x, const Placed& y) { return x.row < y.row; });
  for (Annotations* a : module.annotations) {
    const auto below =
        std::upper_bound(statements.begin(), statements.end(), a->at.row,
                         [](uint32_t row, const Placed& placed) { return row < placed.row; });
    const Target target = below == statements.end() ? Target() : below->target;
    a->rule = target.rule;
    if (a->scope.empty()) {
      if (target.kind == Target::kRule) a->scope = a->entrypoint ? "document" : "rule";
      if (target.kind == Target::kPackage) a->scope = "package";
      if (target.kind == Target::kImport) a->scope = "import";
    }
    std::string_view want;
    bool known = true;
    if (a->scope == "rule" || a->scope == "document") {
      if (target.kind != Target::kRule) want = "rule";
    } else if (a->scope == "package" || a->scope == "subpackages") {
      if (target.kind != Target::kPackage) want = "package";
    } else {
      known = false;
      errors.push_back(ScopeError(module, *a,
                                  "invalid annotation scope '" + std::string(a->scope) +
                                      "'. Use one of 'rule', 'document', 'package', or "
                                      "'subpackages'"));
    }
    if (known && !want.empty()) {
      static constexpr std::string_view kHave[] = {"", " (have package)", " (have import)",
                                                   " (have rule)"};
      errors.push_back(ScopeError(module, *a,
                                  "annotation scope '" + std::string(a->scope) +
                                      "' must be applied to " + std::string(want) +
                                      std::string(kHave[target.kind])));
    }
    if (a->entrypoint && a->scope != "document" && a->scope != "package") {
      errors.push_back(
          ScopeError(module, *a,
                     "annotation entrypoint applied to non-document or package scope '" +
                         std::string(a->scope) + "'"));
    }
    MapBuilder map(module.arena);
    map.Add("scope", Value::String(a->scope));
    for (const auto& [key, value] : a->value.entries()) map.Add(key, value);
    a->value = map.Finish();
  }
  if (errors.empty()) AttachToRules(module);
}

}  // namespace bulwark::rego
