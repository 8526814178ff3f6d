// Dockerfiles, by the rules of BuildKit's reader: directives and comments, continued lines,
// heredocs, flags, JSON forms (https://docs.docker.com/reference/dockerfile/).

#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "formats/config/config.h"
#include "formats/config/errors.h"
#include "formats/json.h"

namespace bulwark {

namespace {

using config_internal::SyntaxErrorAt;

struct Instruction {
  std::string name;
  std::optional<std::vector<std::string>> flags;  // none where nothing follows the name
  std::optional<std::vector<std::string>> words;
  bool json = false;
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }

// Words at white space; quotes hold them together and stay, an escape takes the next character.
std::vector<std::string> QuotedWords(std::string_view text, char escape) {
  std::vector<std::string> out;
  std::string word;
  bool inside = false;
  char quote = '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (!inside && IsAsciiSpace(c)) continue;
    inside = true;
    if (quote == '\0' && IsAsciiSpace(c)) {
      out.push_back(std::move(word));
      word.clear();
      inside = false;
      continue;
    }
    if (quote == '\0' && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = '\0';
    } else if (c == escape && quote != '\'') {
      if (i + 1 == text.size()) break;
      word += c;
      c = text[++i];
    }
    word += c;
  }
  if (inside && !word.empty()) out.push_back(std::move(word));
  return out;
}

std::vector<std::string> BlankWords(std::string_view text) {
  std::vector<std::string> out(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsBlank(text[i])) {
      out.back() += text[i];
      continue;
    }
    while (i + 1 < text.size() && IsBlank(text[i + 1])) ++i;
    out.emplace_back();
  }
  return out;
}

// The --flags before the arguments; what is left of the text goes to `rest`.
std::vector<std::string> TakeFlags(std::string_view text, char escape, std::string_view& rest) {
  std::vector<std::string> flags;
  size_t i = 0;
  while (true) {
    while (i < text.size() && IsAsciiSpace(text[i])) ++i;
    if (!text.substr(i).starts_with("--")) {
      rest = text.substr(i);
      return flags;
    }
    std::string flag;
    char quote = '\0';
    for (; i < text.size() && (quote != '\0' || !IsAsciiSpace(text[i])); ++i) {
      if (quote == '\0' && (text[i] == '"' || text[i] == '\'')) {
        quote = text[i];
      } else if (text[i] == quote) {
        quote = '\0';
      } else if (text[i] == escape) {
        if (i + 1 < text.size()) flag += text[++i];
      } else {
        flag += text[i];
      }
    }
    if (flag == "--") {
      rest = text.substr(i);
      return flags;
    }
    flags.push_back(std::move(flag));
  }
}

enum class Form { kJsonOrText, kJsonOrWords, kPairs, kQuotedWords, kWords, kText, kHealth, kSub };

struct Known {
  std::string_view name;
  Form form;
  size_t least;  // arguments that it needs
};
constexpr std::array<Known, 18> kInstructions = {{
    {"add", Form::kJsonOrWords, 2},
    {"arg", Form::kQuotedWords, 1},
    {"cmd", Form::kJsonOrText, 0},
    {"copy", Form::kJsonOrWords, 2},
    {"entrypoint", Form::kJsonOrText, 0},
    {"env", Form::kPairs, 1},
    {"expose", Form::kWords, 1},
    {"from", Form::kWords, 1},
    {"healthcheck", Form::kHealth, 1},
    {"label", Form::kPairs, 1},
    {"maintainer", Form::kText, 1},
    {"onbuild", Form::kSub, 1},
    {"run", Form::kJsonOrText, 0},
    {"shell", Form::kJsonOrText, 1},
    {"stopsignal", Form::kText, 1},
    {"user", Form::kText, 1},
    {"volume", Form::kJsonOrWords, 1},
    {"workdir", Form::kText, 1},
}};

class DockerfileReader {
 public:
  DockerfileReader(std::string_view text, Arena& arena)
      : text_(config_internal::WithoutBom(text)), arena_(arena) {}

  Result<Value> Read() {
    while (next_ < text_.size()) BW_TRY(ReadInstruction());
    if (instructions_ == 0) return SyntaxErrorAt(1, 1, "a Dockerfile without instructions");
    Value file = Value::Array(arena_, commands_);
    return Value::Array(arena_, std::span(&file, 1));
  }

 private:
  // The next line without its line break.
  std::string_view NextLine() {
    size_t end = text_.find('\n', next_);
    size_t stop = end == std::string_view::npos ? text_.size() : end;
    std::string_view line = text_.substr(next_, stop - next_);
    next_ = end == std::string_view::npos ? text_.size() : end + 1;
    ++line_;
    while (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  Error Bad(std::string_view message) const { return SyntaxErrorAt(first_line_, 1, message); }

  // `# escape=…` and other directives, which stand before anything else.
  Result<bool> ReadDirective(std::string_view line) {
    if (!directives_) return false;
    directives_ = false;
    if (!line.starts_with('#')) return false;
    auto parts = Cut(line.substr(1), "=");
    if (!parts) return false;
    std::string name = AsciiLower(Trim(parts->first));
    std::string_view value = Trim(parts->second);
    if (value.empty() || (name != "escape" && name != "syntax" && name != "check")) return false;
    directives_ = true;
    if (seen_.find("," + name + ",") != std::string::npos) {
      return SyntaxErrorAt(line_, 1, fmt::format("only one {} directive can be used", name));
    }
    seen_ += "," + name + ",";
    if (name == "escape") {
      if (value != "\\" && value != "`") {
        return SyntaxErrorAt(line_, 1, fmt::format("escape must be \\ or `, not {}", value));
      }
      escape_ = value.front();
    }
    return true;
  }

  // Takes the escape off the end of a line that goes on.
  bool Continues(std::string_view& line) const {
    std::string_view trimmed = line;
    while (trimmed.ends_with(' ') || trimmed.ends_with('\t')) trimmed.remove_suffix(1);
    if (!trimmed.ends_with(escape_)) return false;
    if (trimmed.size() > 1 && trimmed[trimmed.size() - 2] == escape_) return false;
    line = trimmed.substr(0, trimmed.size() - 1);
    return true;
  }

  Result<> ReadInstruction() {
    std::string_view raw = NextLine();
    first_line_ = line_;
    std::string_view line = TrimLeft(raw);
    bool directive = BW_TRY(ReadDirective(line));
    if (line.starts_with('#')) {
      std::string_view comment = Trim(line.substr(1));
      if (directive) return Ok{};
      if (comment.empty()) {
        comments_.clear();
      } else {
        comments_.emplace_back(comment);
      }
      return Ok{};
    }
    bool more = Continues(line);
    if (!more && line.empty()) return Ok{};
    std::string whole(line);
    while (more && next_ < text_.size()) {
      std::string_view next = NextLine();
      if (TrimLeft(next).starts_with('#') || Trim(next).empty()) continue;
      more = Continues(next);
      whole += next;
    }
    // A line that was nothing but an escape has nothing to say.
    if (Trim(whole).empty()) return Ok{};
    Instruction instruction = BW_TRY(Split(whole));
    std::optional<Instruction> sub;
    if (AsciiLower(instruction.name) == "onbuild") {
      sub = BW_TRY(Split(instruction.words->front()));
      if (AsciiLower(sub->name) == "onbuild") {
        return Bad("ONBUILD of ONBUILD is not allowed");
      }
    }
    const Instruction& inner = sub ? *sub : instruction;
    std::string inner_name = AsciiLower(inner.name);
    if (!inner.json && (inner_name == "run" || inner_name == "copy" || inner_name == "add")) {
      BW_TRY(SkipHeredocs(whole));
    }
    Add(instruction, sub ? &*sub : nullptr);
    return Ok{};
  }

  Result<Instruction> Split(std::string_view line) {
    Instruction out;
    line = Trim(line);
    size_t end = 0;
    while (end < line.size() && !IsBlank(line[end])) ++end;
    out.name = line.substr(0, end);
    std::string_view rest;
    if (end < line.size()) {
      while (end < line.size() && IsBlank(line[end])) ++end;
      out.flags = TakeFlags(line.substr(end), escape_, rest);
      rest = Trim(rest);
    }
    std::string lower = AsciiLower(out.name);
    const Known* known = nullptr;
    for (const Known& each : kInstructions) {
      if (each.name == lower) known = &each;
    }
    if (known == nullptr) return Bad(fmt::format("unknown instruction: {}", Quote(out.name)));
    BW_TRY(ReadArguments(known->form, rest, out));
    size_t count = out.words ? out.words->size() : 0;
    if (count < known->least) {
      return Bad(fmt::format("{} needs at least {} {}", AsciiUpper(lower), known->least,
                             known->least == 1 ? "argument" : "arguments"));
    }
    if (lower == "from" && count != 1 && count != 3) {
      return Bad("FROM needs either one or three arguments");
    }
    return out;
  }

  Result<> ReadArguments(Form form, std::string_view rest, Instruction& out) {
    if (rest.empty()) return Ok{};
    switch (form) {
      case Form::kSub:
      case Form::kText: out.words = {std::string(rest)}; return Ok{};
      case Form::kWords: out.words = BlankWords(rest); return Ok{};
      case Form::kQuotedWords: out.words = QuotedWords(rest, escape_); return Ok{};
      case Form::kPairs: return ReadPairs(rest, out);
      case Form::kHealth: {
        size_t end = 0;
        while (end < rest.size() && !IsAsciiSpace(rest[end])) ++end;
        std::string kind(rest.substr(0, end));
        BW_TRY(ReadArguments(Form::kJsonOrText, TrimLeft(rest.substr(end)), out));
        if (!out.words) out.words.emplace();
        out.words->insert(out.words->begin(), kind);
        return Ok{};
      }
      case Form::kJsonOrText:
      case Form::kJsonOrWords: break;
    }
    if (rest.starts_with('[')) {
      Arena scratch;
      if (auto list = ParseJson(rest, scratch, {.max_depth = 100}); list && list->IsArray()) {
        out.words.emplace();
        for (const Value& item : list->items()) {
          if (!item.IsString()) return Bad("a JSON list of arguments holds strings only");
          out.words->emplace_back(item.AsString());
        }
        out.json = true;
        return Ok{};
      }
    }
    if (form == Form::kJsonOrText) {
      out.words = {std::string(rest)};
    } else {
      out.words = BlankWords(rest);
    }
    return Ok{};
  }

  // NAME=value …, or the older NAME value; each gives three words: name, value, the sign between.
  Result<> ReadPairs(std::string_view rest, Instruction& out) {
    std::vector<std::string> words = QuotedWords(rest, escape_);
    if (words.empty()) return Ok{};
    out.words.emplace();
    if (words.front().find('=') == std::string::npos) {
      size_t end = 0;
      while (end < rest.size() && !IsBlank(rest[end])) ++end;
      size_t value = end;
      while (value < rest.size() && IsBlank(rest[value])) ++value;
      if (end == value) {
        return Bad(fmt::format("{} needs two arguments", AsciiUpper(out.name)));
      }
      out.words = {std::string(rest.substr(0, end)), std::string(rest.substr(value)), ""};
      return Ok{};
    }
    for (const std::string& word : words) {
      auto pair = Cut(word, "=");
      if (!pair) return Bad(fmt::format("expected name=value, not {}", Quote(word)));
      out.words->emplace_back(pair->first);
      out.words->emplace_back(pair->second);
      out.words->emplace_back("=");
    }
    return Ok{};
  }

  // The bodies of <<EOF, <<-EOF, 3<<"EOF" in a line, which are no instructions.
  Result<> SkipHeredocs(std::string_view line) {
    for (const std::string& word : QuotedWords(line, escape_)) {
      std::string_view rest = word;
      while (!rest.empty() && IsAsciiDigit(rest.front())) rest.remove_prefix(1);
      if (!rest.starts_with("<<")) continue;
      rest.remove_prefix(2);
      bool chomp = rest.starts_with('-');
      if (chomp) rest.remove_prefix(1);
      std::string name;
      for (char c : rest) {
        if (c != '"' && c != '\'' && c != escape_) name += c;
      }
      if (name.empty() || name.find('<') != std::string::npos) continue;
      bool ended = false;
      while (!ended && next_ < text_.size()) {
        std::string_view body = NextLine();
        if (chomp) {
          while (body.starts_with('\t')) body.remove_prefix(1);
        }
        ended = body == name;
      }
      if (!ended) return Bad(fmt::format("the heredoc {} does not end", Quote(name)));
    }
    return Ok{};
  }

  Value Texts(const std::optional<std::vector<std::string>>& texts) {
    if (!texts) return Value();
    std::vector<Value> out;
    for (const std::string& text : *texts) out.push_back(Value::String(arena_, text));
    return Value::Array(arena_, out);
  }

  void Command(std::string_view name, std::string_view sub, bool json, Value flags, Value words) {
    commands_.push_back(MapBuilder(arena_)
                            .Add("Cmd", Value::String(arena_, name))
                            .Add("SubCmd", Value::String(arena_, sub))
                            .Add("JSON", Value::Bool(json))
                            .Add("Flags", flags)
                            .Add("Value", words)
                            .Add("Stage", Value::Int(std::max<int64_t>(stages_ - 1, 0)))
                            .Finish());
  }

  void Add(const Instruction& instruction, const Instruction* sub) {
    std::string name = AsciiLower(instruction.name);
    if (name == "from") ++stages_;
    for (const std::string& comment : comments_) {
      Command("comment", "", false, Value(), Texts(std::vector<std::string>{comment}));
    }
    comments_.clear();
    const Instruction& said = sub != nullptr ? *sub : instruction;
    // A JSON list without items leaves no words.
    bool none = said.words && said.words->empty();
    Command(name, sub != nullptr ? sub->name : "", said.json, Texts(instruction.flags),
            none ? Value() : Texts(said.words));
    ++instructions_;
  }

  std::string_view text_;
  Arena& arena_;
  size_t next_ = 0, line_ = 0, first_line_ = 1, instructions_ = 0;
  int64_t stages_ = 0;
  char escape_ = '\\';
  bool directives_ = true;
  std::string seen_;
  std::vector<std::string> comments_;
  std::vector<Value> commands_;
};

}  // namespace

Result<Value> ParseDockerfile(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(config_internal::CheckText(text, limits));
  return DockerfileReader(text, arena).Read();
}

}  // namespace bulwark
