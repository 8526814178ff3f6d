#include "platform/store/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "model/severity.h"
#include "platform/store/tokenizer.h"

namespace bulwark::store {
namespace {

constexpr double kDayUs = 86400e6;
constexpr double kMaxExact = 9007199254740992;  // 2^53

Error At(std::string_view id, size_t offset, std::string message,
         std::vector<Error::Arg> more = {}) {
  more.insert(more.begin(), {"offset", std::to_string(offset)});
  return Error(Code::kInvalid, std::string(id), std::move(message), std::move(more));
}

Query TermQuery(Term term) {
  Query query;
  query.kind = Query::Kind::kTerm;
  query.term = std::move(term);
  return query;
}

bool IsDate(std::string_view text) {
  if (text.size() != 10) return false;
  for (size_t i = 0; i < 10; ++i) {
    if (i == 4 || i == 7 ? text[i] != '-' : !IsAsciiDigit(text[i])) return false;
  }
  return true;
}

std::string TimeText(double us) {
  const auto whole = static_cast<int64_t>(us);
  int64_t seconds = whole / 1'000'000;
  int64_t rest = whole % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  return FormatRfc3339({seconds, static_cast<int32_t>(rest * 1000)});
}

std::string NumberText(double number) {
  if (std::abs(number) < kMaxExact && number == std::floor(number)) {
    return fmt::format("{}", static_cast<int64_t>(number));
  }
  return fmt::format("{}", number);
}

// "90s", "24h", "7d", "2w", and Go's durations without a sign.
std::optional<double> AgeUs(std::string_view text) {
  if (text.size() < 2 || !IsAsciiDigit(text[0])) return std::nullopt;
  const char unit = text.back();
  if (unit == 'd' || unit == 'w') {
    int64_t count = 0;
    const char* end = text.data() + text.size() - 1;
    const auto [at, error] = std::from_chars(text.data(), end, count);
    if (error != std::errc() || at != end || count > 100'000) return std::nullopt;
    return static_cast<double>(count) * kDayUs * (unit == 'w' ? 7 : 1);
  }
  const Result<Nanos> age = ParseGoDuration(text);
  if (!age) return std::nullopt;
  return static_cast<double>(age->count() / 1000);
}

std::string_view Expected(ColumnType type) {
  switch (type) {
    case ColumnType::kText: return "text";
    case ColumnType::kInt: return "a whole number";
    case ColumnType::kReal: return "a number";
    case ColumnType::kBool: return "true or false";
    case ColumnType::kTime: return "a time (2026-01-31T08:00:00Z), a date, or an age (24h, 7d)";
    case ColumnType::kSeverity: return "critical, high, medium, low, info or unknown";
  }
  BW_UNREACHABLE();
}

class Parser {
 public:
  Parser(std::string_view text, std::span<const Field> fields, std::string_view time_field,
         int64_t now_us, QueryLimits limits)
      : text_(text), fields_(fields), time_field_(time_field), now_us_(now_us), limits_(limits) {}

  Result<Query> Run() {
    if (text_.size() > limits_.bytes) {
      return At("query.limit", limits_.bytes,
                fmt::format("the query is longer than {} bytes", limits_.bytes));
    }
    if (const size_t bad = FirstInvalidUtf8(text_); bad != std::string_view::npos) {
      return At("query.syntax", bad, "the query is not well-formed UTF-8");
    }
    Query query = BW_TRY(Alternatives(0));
    SkipBlanks();
    if (at_ < text_.size()) return At("query.syntax", at_, "a ')' that no '(' belongs to");
    return query;
  }

 private:
  void SkipBlanks() {
    while (at_ < text_.size()) {
      if (IsAsciiSpace(text_[at_])) {
        ++at_;
      } else if (text_.substr(at_, 3) == "\xE3\x80\x80") {  // the ideographic space
        at_ += 3;
      } else {
        return;
      }
    }
  }

  bool AtBlank(size_t at) const {
    return at >= text_.size() || IsAsciiSpace(text_[at]) || text_.substr(at, 3) == "\xE3\x80\x80";
  }

  // A keyword stands alone: "or", "OR"; not "order", not "or:x".
  bool Keyword(std::string_view word) {
    SkipBlanks();
    if (!EqualsIgnoringCase(text_.substr(at_, word.size()), word)) return false;
    const size_t end = at_ + word.size();
    if (!AtBlank(end) && text_[end] != '(' && text_[end] != ')') return false;
    at_ = end;
    return true;
  }

  Result<Query> Alternatives(int depth) {
    std::vector<Query> parts;
    const size_t begin = at_;
    parts.push_back(BW_TRY(Conjunction(depth)));
    while (true) {
      const size_t before = at_;
      if (!Keyword("or")) break;
      if (parts.back().kind == Query::Kind::kAll) {
        return At("query.syntax", before, "expected a term before 'or'");
      }
      SkipBlanks();
      const size_t after = at_;
      parts.push_back(BW_TRY(Conjunction(depth)));
      if (parts.back().kind == Query::Kind::kAll) {
        return At("query.syntax", after, "expected a term after 'or'");
      }
    }
    (void)begin;
    return parts.size() == 1 ? std::move(parts[0]) : Query::Or(std::move(parts));
  }

  Result<Query> Conjunction(int depth) {
    std::vector<Query> parts;
    while (true) {
      SkipBlanks();
      if (at_ >= text_.size() || text_[at_] == ')') break;
      const size_t before = at_;
      if (Keyword("or")) {
        at_ = before;
        break;
      }
      if (Keyword("and")) {
        SkipBlanks();
        if (parts.empty() || at_ >= text_.size() || text_[at_] == ')') {
          return At("query.syntax", before, "expected terms on both sides of 'and'");
        }
        continue;
      }
      parts.push_back(BW_TRY(Negation(depth)));
    }
    if (parts.empty()) return Query::All();
    return parts.size() == 1 ? std::move(parts[0]) : Query::And(std::move(parts));
  }

  Result<Query> Negation(int depth) {
    if (depth >= limits_.depth) {
      return At("query.limit", at_,
                fmt::format("more than {} parentheses and negations deep", limits_.depth));
    }
    SkipBlanks();
    const size_t begin = at_;
    const bool minus = at_ < text_.size() && text_[at_] == '-';
    if (minus) {
      ++at_;
      if (AtBlank(at_)) return At("query.syntax", begin, "expected a term right after '-'");
    }
    if (minus || Keyword("not")) {
      SkipBlanks();
      if (at_ >= text_.size() || text_[at_] == ')') {
        return At("query.syntax", at_, "expected a term to negate");
      }
      return Query::Not(BW_TRY(Negation(depth + 1)));
    }
    if (at_ < text_.size() && text_[at_] == '(') {
      ++at_;
      Query inner = BW_TRY(Alternatives(depth + 1));
      SkipBlanks();
      if (at_ >= text_.size()) return At("query.syntax", begin, "this '(' is never closed");
      ++at_;
      if (inner.kind == Query::Kind::kAll) {
        return At("query.syntax", begin, "expected a term between the parentheses");
      }
      return inner;
    }
    return OneTerm();
  }

  Result<Query> OneTerm() {
    if (++terms_ > limits_.terms) {
      return At("query.limit", at_, fmt::format("more than {} terms", limits_.terms));
    }
    const size_t begin = at_;
    if (text_[at_] == '"') return TextTerm(BW_TRY(Quoted()), begin);
    // A field's name, if an operator follows.
    size_t end = at_;
    while (end < text_.size() && !AtBlank(end) && text_[end] != ')' && text_[end] != '"' &&
           text_[end] != ':' && text_[end] != '<' && text_[end] != '>' && text_[end] != '\\') {
      ++end;
    }
    if (end > begin && end < text_.size() &&
        (text_[end] == ':' || text_[end] == '<' || text_[end] == '>')) {
      at_ = end;
      return FieldTerm(text_.substr(begin, end - begin), begin);
    }
    std::string word;
    while (!AtBlank(at_) && text_[at_] != ')') {
      if (text_[at_] == '"') {
        word += BW_TRY(Quoted());
      } else {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        word += text_[at_++];
      }
    }
    return TextTerm(std::move(word), begin);
  }

  Result<Query> TextTerm(std::string text, size_t begin) {
    if (SearchWords(text).empty()) {
      return At("query.value", begin, "expected a letter or a digit to search for");
    }
    return Query::Text(std::move(text));
  }

  // The content of the quotes at at_.
  Result<std::string> Quoted() {
    const size_t begin = at_++;
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    if (at_ >= text_.size()) return At("query.syntax", begin, "these quotes are never closed");
    ++at_;
    return out;
  }

  // A value as Term::values has it.
  Result<std::string> OneValue() {
    std::string out;
    while (!AtBlank(at_) && text_[at_] != ')' && text_[at_] != ',') {
      if (text_[at_] == '"') {
        out += EscapeGlob(BW_TRY(Quoted()));
      } else if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        // All bytes of the character, none of which but the first needs escaping.
        out += EscapeGlob(text_.substr(at_ + 1, 1));
        at_ += 2;
      } else if (text_[at_] == '\\') {
        return At("query.syntax", at_, "expected a character after the backslash");
      } else {
        out += text_[at_++];
      }
    }
    return out;
  }

  const Field* Find(std::string_view name) const {
    for (const Field& field : fields_) {
      if (field.name == name) return &field;
    }
    for (const Field& field : fields_) {
      if (EqualsIgnoringCase(field.name, name)) return &field;
      for (const std::string& alias : field.aliases) {
        if (EqualsIgnoringCase(alias, name)) return &field;
      }
    }
    return nullptr;
  }

  Error NoField(std::string_view name, size_t offset) const {
    std::vector<std::string_view> names;
    for (const Field& field : fields_) {
      names.push_back(field.name);
      names.insert(names.end(), field.aliases.begin(), field.aliases.end());
    }
    if (!time_field_.empty()) {
      names.push_back("since");
      names.push_back("until");
    }
    names.push_back("has");
    const std::string lower = AsciiLower(name);
    const std::string nearest(DidYouMean(lower, names));
    std::vector<Error::Arg> args = {{"field", std::string(name)}};
    std::string message = fmt::format("there is no field {} here", Quote(name));
    if (!nearest.empty()) {
      message += fmt::format("; did you mean {}?", nearest);
      args.push_back({"nearest", nearest});
    } else {
      message += "; to search for it as text, put it in quotes";
    }
    return At("query.field", offset, std::move(message), std::move(args));
  }

  Result<Query> FieldTerm(std::string_view name, size_t begin) {
    bool colon = false;
    if (text_[at_] == ':') {
      colon = true;
      ++at_;
    }
    Term term;
    if (at_ < text_.size() && (text_[at_] == '<' || text_[at_] == '>')) {
      const bool less = text_[at_++] == '<';
      const bool equal = at_ < text_.size() && text_[at_] == '=';
      if (equal) ++at_;
      term.op = less ? (equal ? Term::Op::kLessEqual : Term::Op::kLess)
                     : (equal ? Term::Op::kGreaterEqual : Term::Op::kGreater);
    }
    const Field* field = Find(name);
    const size_t value_at = at_;
    if (field == nullptr && colon && term.op == Term::Op::kEquals) {
      if (EqualsIgnoringCase(name, "has")) return HasTerm();
      if (!time_field_.empty()) {
        if (EqualsIgnoringCase(name, "since")) return Bound(Term::Op::kGreaterEqual, value_at);
        if (EqualsIgnoringCase(name, "until")) return Bound(Term::Op::kLess, value_at);
      }
    }
    if (field == nullptr) return NoField(name, begin);
    term.field = field->name;
    if (term.op != Term::Op::kEquals && field->type == ColumnType::kText) {
      return At(
          "query.value", begin,
          fmt::format("{} is text and has no order; expected {}:value", field->name, field->name),
          {{"field", field->name}});
    }
    std::vector<size_t> offsets;
    while (true) {
      offsets.push_back(at_);
      const bool quoted = at_ < text_.size() && text_[at_] == '"';
      std::string value = BW_TRY(OneValue());
      if (value.empty() && !quoted) {
        return At("query.value", at_,
                  fmt::format("expected {} after {}", Expected(field->type), name),
                  {{"field", field->name}});
      }
      term.values.push_back(std::move(value));
      if (at_ >= text_.size() || text_[at_] != ',') break;
      if (term.op != Term::Op::kEquals) {
        return At("query.syntax", at_, "a comparison takes one value");
      }
      ++at_;
    }
    if (field->type == ColumnType::kText) return TermQuery(std::move(term));
    return NumberTerm(*field, std::move(term), offsets);
  }

  Result<Query> HasTerm() {
    const size_t begin = at_;
    const std::string name = PlainValue(BW_TRY(OneValue()));
    const Field* field = Find(name);
    if (name.empty()) return At("query.value", begin, "expected a field after has:");
    if (field == nullptr) return NoField(name, begin);
    return Query::Has(field->name);
  }

  Result<Query> Bound(Term::Op op, size_t begin) {
    const Field* field = Find(time_field_);
    Term term{.op = op, .field = std::string(time_field_), .values = {}, .numbers = {}};
    term.values.push_back(BW_TRY(OneValue()));
    const Field time{.name = term.field, .type = ColumnType::kTime, .aliases = {}};
    // A date that ends a range is in it.
    if (op == Term::Op::kLess && IsDate(term.values[0])) term.op = Term::Op::kLessEqual;
    return NumberTerm(field != nullptr ? *field : time, std::move(term), {begin});
  }

  Result<Query> NumberTerm(const Field& field, Term term, const std::vector<size_t>& offsets) {
    std::vector<Query> days;  // dates among values that are equalled
    Term rest = term;
    rest.values.clear();
    for (size_t i = 0; i < term.values.size(); ++i) {
      const std::string plain = PlainValue(term.values[i]);
      std::optional<double> number;
      if (!IsGlob(term.values[i])) number = FieldNumber(field.type, plain, now_us_);
      if (!number) {
        return At("query.value", offsets[i],
                  fmt::format("{} is not {}, which {} needs", Quote(plain), Expected(field.type),
                              field.name),
                  {{"field", field.name}, {"value", plain}});
      }
      const bool day = field.type == ColumnType::kTime && IsDate(plain);
      if (day && term.op == Term::Op::kEquals) {
        days.push_back(Query::And({Number(field, Term::Op::kGreaterEqual, *number),
                                   Number(field, Term::Op::kLess, *number + kDayUs)}));
        continue;
      }
      if (day && (term.op == Term::Op::kLessEqual || term.op == Term::Op::kGreater)) {
        rest.op = term.op == Term::Op::kLessEqual ? Term::Op::kLess : Term::Op::kGreaterEqual;
        *number += kDayUs;
      }
      rest.values.push_back(NumberAsText(field.type, *number));
      rest.numbers.push_back(*number);
    }
    if (days.empty()) return TermQuery(std::move(rest));
    if (!rest.values.empty()) days.push_back(TermQuery(std::move(rest)));
    return days.size() == 1 ? std::move(days[0]) : Query::Or(std::move(days));
  }

  static Query Number(const Field& field, Term::Op op, double number) {
    return TermQuery({.op = op,
                      .field = field.name,
                      .values = {NumberAsText(field.type, number)},
                      .numbers = {number}});
  }

  std::string_view text_;
  std::span<const Field> fields_;
  std::string_view time_field_;
  int64_t now_us_;
  QueryLimits limits_;
  size_t at_ = 0;
  int terms_ = 0;
};

// --- To text -------------------------------------------------------------------------------------

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

bool PlainWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '.' || c == '_' || c == '/' || c == '@' ||
           c == '-' || c == ':' || c == '+' || c == '=' || c == '%';
  });
}

void AppendValue(std::string& out, std::string_view value) {
  if (!IsGlob(value)) {
    const std::string plain = PlainValue(value);
    if (PlainWord(plain) && plain[0] != '=') {
      out += plain;
    } else {
      AppendQuoted(out, plain);
    }
    return;
  }
  // The plain stretches in quotes where they need them, the wildcards bare.
  std::string plain;
  const auto flush = [&] {
    if (plain.empty()) return;
    if (PlainWord(plain) && plain[0] != '=') {
      out += plain;
    } else {
      AppendQuoted(out, plain);
    }
    plain.clear();
  };
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '*' || value[i] == '?') {
      flush();
      out += value[i];
    } else {
      if (value[i] == '\\' && i + 1 < value.size()) ++i;
      plain += value[i];
    }
  }
  flush();
}

void AppendText(std::string& out, const Query& query, bool inner) {
  switch (query.kind) {
    case Query::Kind::kAll: return;
    case Query::Kind::kAnd:
    case Query::Kind::kOr: {
      const bool alternatives = query.kind == Query::Kind::kOr;
      if (inner) out += '(';
      bool first = true;
      for (const Query& part : query.parts) {
        if (!first) out += alternatives ? " or " : " ";
        first = false;
        AppendText(out, part, true);
      }
      if (inner) out += ')';
      return;
    }
    case Query::Kind::kNot:
      out += '-';
      if (!query.parts.empty()) AppendText(out, query.parts[0], true);
      return;
    case Query::Kind::kTerm: break;
  }
  const Term& term = query.term;
  if (term.op == Term::Op::kText) {
    AppendQuoted(out, term.values.empty() ? std::string_view() : term.values[0]);
    return;
  }
  if (term.op == Term::Op::kHas) {
    out += "has:" + term.field;
    return;
  }
  out += term.field;
  switch (term.op) {
    case Term::Op::kLess: out += '<'; break;
    case Term::Op::kLessEqual: out += "<="; break;
    case Term::Op::kGreater: out += '>'; break;
    case Term::Op::kGreaterEqual: out += ">="; break;
    default: out += ':';
  }
  for (size_t i = 0; i < term.values.size(); ++i) {
    if (i != 0) out += ',';
    AppendValue(out, term.values[i]);
  }
}

// --- In memory -----------------------------------------------------------------------------------

class Evaluation {
 public:
  explicit Evaluation(const QuerySubject& subject) : subject_(subject) {}

  bool Holds(const Query& query) {
    switch (query.kind) {
      case Query::Kind::kAll: return true;
      case Query::Kind::kAnd:
        return std::all_of(query.parts.begin(), query.parts.end(),
                           [&](const Query& part) { return Holds(part); });
      case Query::Kind::kOr:
        return std::any_of(query.parts.begin(), query.parts.end(),
                           [&](const Query& part) { return Holds(part); });
      case Query::Kind::kNot: return query.parts.empty() || !Holds(query.parts[0]);
      case Query::Kind::kTerm: return HoldsTerm(query.term);
    }
    BW_UNREACHABLE();
  }

 private:
  bool HoldsTerm(const Term& term) {
    if (term.op == Term::Op::kText) {
      if (!text_) text_.emplace(subject_.FullText());
      return !term.values.empty() && text_->Contains(SearchWords(term.values[0]));
    }
    std::vector<FieldValue> values;
    const ColumnType type = subject_.Values(term.field, values);
    if (type == ColumnType::kText) return HoldsText(term, values);
    const std::vector<double> numbers =
        term.op == Term::Op::kHas ? std::vector<double>() : TermNumbers(term, type);
    for (const FieldValue& value : values) {
      if (!value.number) continue;
      if (term.op == Term::Op::kHas) return true;
      for (double number : numbers) {
        bool holds = false;
        switch (term.op) {
          case Term::Op::kEquals: holds = *value.number == number; break;
          case Term::Op::kLess: holds = *value.number < number; break;
          case Term::Op::kLessEqual: holds = *value.number <= number; break;
          case Term::Op::kGreater: holds = *value.number > number; break;
          case Term::Op::kGreaterEqual: holds = *value.number >= number; break;
          default: break;
        }
        if (holds) return true;
      }
    }
    return false;
  }

  static bool HoldsText(const Term& term, std::vector<FieldValue>& values) {
    if (term.op == Term::Op::kHas) {
      return std::any_of(values.begin(), values.end(),
                         [](const FieldValue& value) { return !value.text.empty(); });
    }
    if (term.op != Term::Op::kEquals) return false;
    // What is not there is the empty text.
    if (values.empty()) values.emplace_back();
    for (const std::string& wanted : term.values) {
      const bool glob = IsGlob(wanted);
      const std::string plain = glob ? std::string() : PlainValue(wanted);
      for (const FieldValue& value : values) {
        if (glob ? GlobMatch(wanted, value.text, '\0') : plain == value.text) return true;
      }
    }
    return false;
  }

  const QuerySubject& subject_;
  std::optional<TokenizedText> text_;
};

}  // namespace

bool IsGlob(std::string_view value) {
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\') {
      ++i;
    } else if (value[i] == '*' || value[i] == '?') {
      return true;
    }
  }
  return false;
}

std::string PlainValue(std::string_view value) {
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && i + 1 < value.size()) ++i;
    out += value[i];
  }
  return out;
}

std::string EscapeGlob(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '*' || c == '?' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

Query Query::Equals(std::string field, std::string value) {
  std::vector<std::string> values;
  values.push_back(std::move(value));
  return AnyOf(std::move(field), std::move(values));
}

Query Query::Exactly(std::string field, std::string_view text) {
  return Equals(std::move(field), EscapeGlob(text));
}

Query Query::AnyOf(std::string field, std::vector<std::string> values) {
  return TermQuery({.op = Term::Op::kEquals,
                    .field = std::move(field),
                    .values = std::move(values),
                    .numbers = {}});
}

Query Query::Has(std::string field) {
  return TermQuery({.op = Term::Op::kHas, .field = std::move(field), .values = {}, .numbers = {}});
}

Query Query::Text(std::string words) {
  return TermQuery(
      {.op = Term::Op::kText, .field = {}, .values = {std::move(words)}, .numbers = {}});
}

Query Query::Compare(std::string field, Term::Op op, std::string value) {
  return TermQuery(
      {.op = op, .field = std::move(field), .values = {std::move(value)}, .numbers = {}});
}

Query Query::And(std::vector<Query> parts) {
  Query query;
  query.kind = Kind::kAnd;
  query.parts = std::move(parts);
  return query;
}

Query Query::Or(std::vector<Query> parts) {
  Query query;
  query.kind = Kind::kOr;
  query.parts = std::move(parts);
  return query;
}

Query Query::Not(Query part) {
  Query query;
  query.kind = Kind::kNot;
  query.parts.push_back(std::move(part));
  return query;
}

Result<Query> ParseQuery(std::string_view text, std::span<const Field> fields,
                         std::string_view time_field, int64_t now_us, QueryLimits limits) {
  return Parser(text, fields, time_field, now_us, limits).Run();
}

std::string ToText(const Query& query) {
  std::string out;
  AppendText(out, query, false);
  return out;
}

std::optional<double> FieldNumber(ColumnType type, std::string_view text, int64_t now_us) {
  switch (type) {
    case ColumnType::kText: return std::nullopt;
    case ColumnType::kBool:
      if (text == "true" || text == "yes" || text == "1") return 1;
      if (text == "false" || text == "no" || text == "0") return 0;
      return std::nullopt;
    case ColumnType::kSeverity: {
      const std::optional<Severity> severity = ParseSeverity(text);
      if (!severity) return std::nullopt;
      return static_cast<double>(*severity);
    }
    case ColumnType::kInt:
    case ColumnType::kReal: {
      double number = 0;
      if (text.empty() || (!IsAsciiDigit(text[0]) && text[0] != '-')) return std::nullopt;
      const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc() || at != text.data() + text.size() || !std::isfinite(number)) {
        return std::nullopt;
      }
      if (type == ColumnType::kInt &&
          (number != std::floor(number) || std::abs(number) > kMaxExact)) {
        return std::nullopt;
      }
      return number;
    }
    case ColumnType::kTime: {
      if (const std::optional<double> age = AgeUs(text)) return static_cast<double>(now_us) - *age;
      Result<Timestamp> time =
          IsDate(text) ? ParseRfc3339(std::string(text) + "T00:00:00Z") : ParseRfc3339(text);
      if (!time) return std::nullopt;
      return static_cast<double>(time->seconds * 1'000'000 + time->nanos / 1000);
    }
  }
  BW_UNREACHABLE();
}

std::string NumberAsText(ColumnType type, double number) {
  switch (type) {
    case ColumnType::kTime: return TimeText(number);
    case ColumnType::kBool: return number != 0 ? "true" : "false";
    case ColumnType::kSeverity:
      return std::string(
          SeverityName(static_cast<Severity>(std::clamp(static_cast<int>(number), 0, 5))));
    default: return NumberText(number);
  }
}

std::vector<double> TermNumbers(const Term& term, ColumnType type) {
  if (term.numbers.size() == term.values.size()) return term.numbers;
  std::vector<double> numbers;
  for (const std::string& value : term.values) {
    if (const auto number = FieldNumber(type, PlainValue(value))) numbers.push_back(*number);
  }
  return numbers;
}

bool Matches(const Query& query, const QuerySubject& subject) {
  return Evaluation(subject).Holds(query);
}

}  // namespace bulwark::store
