// strings.render_template: Go's text/template executed over a policy's values.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/format.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"
#include "lang/rego/builtins/template_tree.h"

namespace bulwark::rego {

namespace {

using Node = TemplateNode;
using Kind = TemplateNode::Kind;

constexpr size_t kMaxCalls = 200;  // templates within each other
constexpr size_t kMaxOutput = size_t{64} << 20;

// A value as Go's reflection sees it. Numbers of the data are texts to Go (json.Number); ints and
// floats come from the template itself.
struct Datum {
  enum class Type : uint8_t {
    kInvalid,  // none at all
    kNil,      // an interface that holds nothing
    kBool,
    kInt,
    kByte,
    kFloat,
    kString,
    kNumber,
    kMap,
    kList,
  };
  Type type = Type::kInvalid;
  bool wrapped = false;  // within an interface, as the members of maps and lists are
  bool truth = false;
  int64_t integer = 0;
  double real = 0;
  std::string_view text;
  Value value;  // of maps and lists

  bool valid() const { return type != Type::kInvalid; }
  bool IsText() const { return type == Type::kString || type == Type::kNumber; }
};
using Type = Datum::Type;

Datum Text(Arena& arena, std::string_view text) {
  return {.type = Type::kString, .text = arena.Copy(text)};
}
Datum Bool(bool truth) { return {.type = Type::kBool, .truth = truth}; }
Datum Int(int64_t integer) { return {.type = Type::kInt, .integer = integer}; }

Datum FromValue(const Value& value, Arena& arena, bool wrapped = true) {
  Datum out{.wrapped = wrapped, .value = value};
  if (value.IsNull()) {
    out.type = Type::kNil;
  } else if (value.IsBool()) {
    out.type = Type::kBool;
    out.truth = value.IsTrue();
  } else if (value.IsNumber()) {
    out.type = Type::kNumber;
    out.text = arena.Copy(NumberText(value));
  } else if (value.IsString()) {
    out.type = Type::kString;
    out.text = value.AsString();
  } else {
    out.type = value.IsMap() ? Type::kMap : Type::kList;
  }
  return out;
}

std::string_view TypeText(const Datum& datum) {
  if (datum.wrapped) return "interface {}";
  switch (datum.type) {
    case Type::kBool: return "bool";
    case Type::kInt: return "int";
    case Type::kByte: return "uint8";
    case Type::kFloat: return "float64";
    case Type::kString: return "string";
    case Type::kNumber: return "json.Number";
    case Type::kMap: return "map[string]interface {}";
    case Type::kList: return "[]interface {}";
    default: return "interface {}";
  }
}

// reflect's Elem() of an interface.
Datum Unwrap(Datum datum) {
  datum.wrapped = false;
  if (datum.type == Type::kNil) datum.type = Type::kInvalid;
  return datum;
}

bool IsTrue(const Datum& datum) {
  switch (datum.type) {
    case Type::kBool: return datum.truth;
    case Type::kInt:
    case Type::kByte: return datum.integer != 0;
    case Type::kFloat: return datum.real != 0;
    case Type::kString:
    case Type::kNumber: return !datum.text.empty();
    case Type::kMap:
    case Type::kList: return !datum.value.empty();
    default: return false;
  }
}

class Executor {
 public:
  Executor(Context& c, const TemplateSet& set) : c_(c), set_(set) {}

  const std::string& error() const { return error_; }
  bool halted() const { return halted_; }
  std::string& output() { return out_; }

  void Run(const Value& data) {
    Datum dot = FromValue(data, c_.arena, false);
    variables_.emplace_back("$", dot);
    auto main = set_.templates.find("template");
    if (main == set_.templates.end()) return;
    name_ = "template";
    WalkList(dot, main->second);
  }

 private:
  enum class Flow : uint8_t { kOn, kBreak, kContinue };

  bool Ok() const { return error_.empty() && !halted_; }

  void Fail(const std::string& message) {
    if (!Ok()) return;
    if (node_ == nullptr) {
      error_ = fmt::format("template: {}: {}", name_, message);
      return;
    }
    std::string_view before = std::string_view(set_.source).substr(0, node_->at);
    size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
    size_t newline = before.rfind('\n');
    size_t column = newline == std::string_view::npos ? node_->at : node_->at - newline - 1;
    std::string context = node_->ToString();
    error_ = fmt::format("template: template:{}:{}: executing {} at <{}>: {}", line, column,
                         GoQuote(name_), context, message);
  }

  // Failing comes as Go's panics do: everything returns, and nothing more happens.
  template <typename... Args>
  Datum Wrong(fmt::format_string<Args...> format, Args&&... args) {
    Fail(fmt::format(format, std::forward<Args>(args)...));
    return {};
  }

  void Write(std::string_view text) {
    if (!Ok()) return;
    if (!SpendText(c_, text.size())) halted_ = true;
    if (out_.size() + text.size() > kMaxOutput) return Fail("output is too long");
    out_ += text;
  }

  // --- Printing ----------------------------------------------------------------------------------

  // As fmt prints it with %v.
  void AppendPlain(std::string& out, const Datum& datum) {
    switch (datum.type) {
      case Type::kInvalid:
      case Type::kNil: out += "<nil>"; break;
      case Type::kBool: out += datum.truth ? "true" : "false"; break;
      case Type::kInt:
      case Type::kByte: out += std::to_string(datum.integer); break;
      case Type::kFloat: out += SpellFloat(datum.real, 'g', -1); break;
      case Type::kString:
      case Type::kNumber: out += datum.text; break;
      case Type::kMap: {
        out += "map[";
        bool first = true;
        for (const Value::Entry& entry : SortedEntries(datum.value, c_.arena)) {
          if (!first) out += ' ';
          first = false;
          out += entry.key.IsString() ? std::string(entry.key.AsString()) : GoJson(entry.key);
          out += ':';
          AppendPlain(out, FromValue(entry.value, c_.arena));
        }
        out += ']';
        break;
      }
      case Type::kList: {
        out += '[';
        bool first = true;
        for (const Value& item : datum.value.items()) {
          if (!first) out += ' ';
          first = false;
          AppendPlain(out, FromValue(item, c_.arena));
        }
        out += ']';
        break;
      }
    }
  }
  std::string Plain(const Datum& datum) {
    std::string out;
    AppendPlain(out, datum);
    return out;
  }

  // --- Walking -----------------------------------------------------------------------------------

  Flow WalkList(const Datum& dot, const Node& list) {
    for (const Node& node : list.children) {
      Flow flow = Walk(dot, node);
      if (!Ok() || flow != Flow::kOn) return flow;
    }
    return Flow::kOn;
  }
  Flow WalkAll(const Datum& dot, const std::vector<Node>& lists) {
    for (const Node& list : lists) {
      Flow flow = WalkList(dot, list);
      if (!Ok() || flow != Flow::kOn) return flow;
    }
    return Flow::kOn;
  }

  Flow Walk(const Datum& dot, const Node& node) {
    if (!Ok()) return Flow::kOn;
    if (!c_.Spend(1)) {
      halted_ = true;
      return Flow::kOn;
    }
    node_ = &node;
    switch (node.kind) {
      case Kind::kText: Write(node.text); break;
      case Kind::kAction: {
        Datum value = Pipe(dot, node.pipe[0]);
        if (Ok() && node.pipe[0].declarations.empty()) {
          node_ = &node;
          Write(value.valid() ? Plain(value) : "<no value>");
        }
        break;
      }
      case Kind::kIf:
      case Kind::kWith: {
        size_t mark = variables_.size();
        Datum value = Pipe(dot, node.pipe[0]);
        Flow flow = Flow::kOn;
        if (Ok() && IsTrue(value)) {
          flow = WalkAll(node.kind == Kind::kWith ? value : dot, node.body);
        } else if (Ok()) {
          flow = WalkAll(dot, node.otherwise);
        }
        variables_.resize(mark);
        return flow;
      }
      case Kind::kRange: return Range(dot, node);
      case Kind::kTemplate: Call(dot, node); break;
      case Kind::kBreak: return Flow::kBreak;
      case Kind::kContinue: return Flow::kContinue;
      default: Fail("unknown node: " + node.ToString());
    }
    return Flow::kOn;
  }

  void Call(const Datum& dot, const Node& node) {
    auto found = set_.templates.find(node.text);
    if (found == set_.templates.end()) {
      return Fail(fmt::format("template {} not defined", GoQuote(node.text)));
    }
    if (++calls_ > kMaxCalls) {
      return Fail(fmt::format("exceeded maximum template depth ({})", kMaxCalls));
    }
    Datum argument;
    if (!node.pipe.empty()) argument = Pipe(dot, node.pipe[0]);
    auto outer = std::exchange(variables_, {});
    std::string outer_name = std::exchange(name_, node.text);
    variables_.emplace_back("$", argument);
    if (Ok()) WalkList(argument, found->second);
    variables_ = std::move(outer);
    if (Ok()) name_ = std::move(outer_name);
    --calls_;
  }

  Flow Range(const Datum& dot, const Node& node) {
    size_t outer = variables_.size();
    const Node& pipe = node.pipe[0];
    Datum over = Pipe(dot, pipe);
    size_t mark = variables_.size();
    bool any = false;
    // False: the loop ends.
    auto once = [&](const Datum& index, const Datum& element) {
      any = true;
      size_t declared = pipe.declarations.size();
      if (declared > 0) {
        if (pipe.truth) {
          Assign(pipe.declarations[0].idents[0], declared > 1 ? index : element);
        } else {
          variables_[mark - 1].second = element;
        }
      }
      if (declared > 1) {
        if (pipe.truth) {
          Assign(pipe.declarations[1].idents[0], element);
        } else {
          variables_[mark - 2].second = index;
        }
      }
      Flow flow = WalkAll(element, node.body);
      variables_.resize(mark);
      return Ok() && flow != Flow::kBreak;
    };
    if (!Ok()) return Flow::kOn;
    switch (over.type) {
      case Type::kInvalid:
      case Type::kNil: break;
      case Type::kInt:
      case Type::kByte:
        if (pipe.declarations.size() > 1) {
          Wrong("can't use {} to iterate over more than one variable", over.integer);
          break;
        }
        for (int64_t i = 0; i < over.integer && once({}, Int(i)); ++i) {
        }
        break;
      case Type::kList: {
        int64_t i = 0;
        for (const Value& item : over.value.items()) {
          if (!once(Int(i++), FromValue(item, c_.arena))) break;
        }
        break;
      }
      case Type::kMap:
        for (const Value::Entry& entry : SortedEntries(over.value, c_.arena)) {
          if (!once(Text(c_.arena, entry.key.IsString() ? std::string(entry.key.AsString())
                                                        : GoJson(entry.key)),
                    FromValue(entry.value, c_.arena))) {
            break;
          }
        }
        break;
      default: Wrong("range can't iterate over {}", Plain(over));
    }
    Flow flow = Flow::kOn;
    if (Ok() && !any) flow = WalkAll(dot, node.otherwise);
    variables_.resize(outer);
    return flow;
  }

  // --- Evaluating --------------------------------------------------------------------------------

  void Assign(const std::string& name, const Datum& value) {
    for (size_t i = variables_.size(); i-- > 0;) {
      if (variables_[i].first != name) continue;
      variables_[i].second = value;
      return;
    }
    Wrong("undefined variable: {}", name);
  }

  Datum Pipe(const Datum& dot, const Node& pipe) {
    node_ = &pipe;
    std::optional<Datum> last;
    for (const Node& command : pipe.children) {
      if (!Ok()) return {};
      last = Command(dot, command, last);
      if (last->wrapped || last->type == Type::kNil) last = Unwrap(*last);
    }
    if (!Ok()) return {};
    Datum value = last.value_or(Datum{});
    for (const Node& variable : pipe.declarations) {
      if (pipe.truth) {
        Assign(variable.idents[0], value);
      } else {
        variables_.emplace_back(variable.idents[0], value);
      }
    }
    return value;
  }

  bool NotAFunction(const std::vector<Node>& words, const std::optional<Datum>& last) {
    if (words.size() <= 1 && !last) return true;
    Wrong("can't give argument to non-function {}", words[0].ToString());
    return false;
  }

  Datum Command(const Datum& dot, const Node& command, const std::optional<Datum>& last) {
    const std::vector<Node>& words = command.children;
    const Node& first = words[0];
    bool has_arguments = words.size() > 1 || last;
    switch (first.kind) {
      case Kind::kField:
      case Kind::kChain:
      case Kind::kVariable: return Fields(dot, first, has_arguments, words, last);
      case Kind::kIdentifier: return Function(dot, first, command, words, last);
      case Kind::kPipe: return NotAFunction(words, last) ? Pipe(dot, first) : Datum{};
      default: break;
    }
    node_ = &first;
    if (!NotAFunction(words, last)) return {};
    if (first.kind == Kind::kNil) return Wrong("nil is not a command");
    return Constant(dot, first);
  }

  Datum Constant(const Datum& dot, const Node& node) {
    switch (node.kind) {
      case Kind::kBool: return Bool(node.truth);
      case Kind::kDot: return dot;
      case Kind::kNumber:
        if (node.is_float) return {.type = Type::kFloat, .real = node.real};
        return Int(node.integer);
      case Kind::kString: return Text(c_.arena, node.value);
      default: return Wrong("can't evaluate command {}", GoQuote(node.ToString()));
    }
  }

  Datum Fields(const Datum& dot, const Node& node, bool has_arguments,
               const std::vector<Node>& words, const std::optional<Datum>& last) {
    node_ = &node;
    Datum at = dot;
    size_t from = 0;
    if (node.kind == Kind::kVariable) {
      from = 1;
      bool known = false;
      for (size_t i = variables_.size(); i-- > 0 && !known;) {
        known = variables_[i].first == node.idents[0];
        if (known) at = variables_[i].second;
      }
      if (!known) return Wrong("undefined variable: {}", node.idents[0]);
      if (node.idents.size() == 1) return NotAFunction(words, last) ? at : Datum{};
    } else if (node.kind == Kind::kChain) {
      if (node.children[0].kind == Kind::kNil) {
        return Wrong("indirection through explicit nil in {}", node.ToString());
      }
      at = Argument(dot, node.children[0]);
    }
    for (size_t i = from; i < node.idents.size() && Ok(); ++i) {
      at = Field(at, node.idents[i], has_arguments && i + 1 == node.idents.size());
    }
    return at;
  }

  Datum Field(const Datum& of, const std::string& name, bool has_arguments) {
    if (!of.valid()) return {};
    if (of.type == Type::kNil) return Wrong("nil pointer evaluating interface {{}}.{}", name);
    if (of.type == Type::kMap) {
      if (has_arguments) return Wrong("{} is not a method but has arguments", name);
      const Value* found = of.value.Find(name);
      return found != nullptr ? FromValue(*found, c_.arena) : Datum{};
    }
    return Wrong("can't evaluate field {} in type {}", name, TypeText(of));
  }

  // --- Functions ---------------------------------------------------------------------------------

  Datum Argument(const Datum& dot, const Node& node) {
    node_ = &node;
    static const std::vector<Node> kNone;
    switch (node.kind) {
      case Kind::kNil: return {};
      case Kind::kField:
      case Kind::kChain:
      case Kind::kVariable: {
        std::vector<Node> alone = {node};
        return Fields(dot, node, false, alone, std::nullopt);
      }
      case Kind::kPipe: return Pipe(dot, node);
      case Kind::kIdentifier: {
        std::vector<Node> alone = {node};
        return Function(dot, node, node, alone, std::nullopt);
      }
      default: return Constant(dot, node);
    }
  }

  Datum Function(const Datum& dot, const Node& name, const Node& command,
                 const std::vector<Node>& words, const std::optional<Datum>& last) {
    node_ = &name;
    const TemplateFunction* function = FindTemplateFunction(name.text);
    if (function == nullptr) return Wrong("{} is not a defined function", GoQuote(name.text));
    size_t given = words.size() - 1 + (last ? 1 : 0);
    if (function->variadic) {
      if (given < function->arguments) {
        return Wrong("wrong number of args for {}: want at least {} got {}", name.text,
                     function->arguments, words.size() - 1);
      }
    } else if (given != function->arguments) {
      return Wrong("wrong number of args for {}: want {} got {}", name.text, function->arguments,
                   given);
    }
    if (++calls_ > kMaxCalls) return Wrong("functions are nested too deeply");
    std::vector<Datum> arguments;
    bool lazy = name.text == "and" || name.text == "or";
    for (size_t i = 1; i < words.size() && Ok(); ++i) {
      arguments.push_back(Argument(dot, words[i]));
      if (lazy && IsTrue(arguments.back()) == (name.text == "or")) {
        --calls_;
        return arguments.back();
      }
    }
    --calls_;
    if (!Ok()) return {};
    if (last) arguments.push_back(*last);
    if (lazy) return arguments.back();
    if (name.text == "printf" && arguments[0].type != Type::kString) {
      const Node& format = words.size() > 1 ? words[1] : command;
      if (words.size() > 1 && (format.kind == Kind::kNumber || format.kind == Kind::kBool)) {
        return Wrong("expected string; found {}", format.ToString());
      }
      if (!arguments[0].valid()) return Wrong("invalid value; expected string");
      arguments[0].wrapped = false;
      return Wrong("wrong type for value; expected string; got {}", TypeText(arguments[0]));
    }
    if (name.text == "call") {
      callee_ = words.size() > 1 ? words[1].ToString() : Plain(arguments[0]);
    }
    Result<Datum> result = Apply(name.text, arguments);
    if (result) return *result;
    node_ = &command;
    return Wrong("error calling {}: {}", name.text, result.error().message());
  }

  static Error Bad(std::string message) { return Error(Code::kInvalid, std::move(message)); }

  Result<Datum> Apply(std::string_view name, std::vector<Datum>& arguments) {
    if (name == "not") return Bool(!IsTrue(arguments[0]));
    if (name == "len") return Length(arguments[0]);
    if (name == "index") return Index(arguments);
    if (name == "slice") return Slice(arguments);
    if (name == "eq") return Equal(arguments);
    if (name == "ne") {
      BW_TRY(Equal(arguments));
      return Bool(!BW_TRY(Equal(arguments)).truth);
    }
    if (name == "lt") return Less(arguments[0], arguments[1]);
    if (name == "ge") return Bool(!BW_TRY(Less(arguments[0], arguments[1])).truth);
    if (name == "le" || name == "gt") {
      bool less = BW_TRY(Less(arguments[0], arguments[1]))
      .truth;
      bool at_most = less || BW_TRY(Equal(arguments))
      .truth;
      return Bool(at_most == (name == "le"));
    }
    if (name == "print") return Text(c_.arena, Sprint(arguments));
    if (name == "println") {
      std::string out;
      for (const Datum& argument : arguments) {
        if (!out.empty() || &argument != &arguments[0]) out += ' ';
        AppendPlain(out, argument);
      }
      return Text(c_.arena, out + "\n");
    }
    if (name == "printf") return Printf(arguments);
    if (name == "html") return Text(c_.arena, Html(Evaluated(arguments)));
    if (name == "js") return Text(c_.arena, Js(Evaluated(arguments)));
    if (name == "urlquery") return Text(c_.arena, GoQueryEscape(Evaluated(arguments)));
    // call: there are no functions among the data.
    Datum callee = Unwrap(arguments[0]);
    if (!callee.valid()) return Bad("call of nil");
    return Bad(fmt::format("non-function {} of type {}", callee_, TypeText(callee)));
  }

  // fmt.Sprint: a space between two of which neither is text.
  std::string Sprint(const std::vector<Datum>& arguments) {
    std::string out;
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (i > 0 && !arguments[i].IsText() && !arguments[i - 1].IsText()) out += ' ';
      AppendPlain(out, arguments[i]);
    }
    return out;
  }
  std::string Evaluated(std::vector<Datum>& arguments) {
    for (Datum& argument : arguments) {
      if (!argument.valid() || argument.type == Type::kNil) {
        argument = Text(c_.arena, "<no value>");
      }
    }
    return Sprint(arguments);
  }

  static std::string Html(std::string_view text) {
    std::string out;
    for (char c : text) {
      switch (c) {
        case '\0': out += "\xef\xbf\xbd"; break;
        case '"': out += "&#34;"; break;
        case '\'': out += "&#39;"; break;
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        default: out += c;
      }
    }
    return out;
  }

  static std::string Js(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      CodePoint c = DecodeUtf8(text, at);
      std::string_view raw = text.substr(at, c.length);
      at += c.length;
      switch (c.value) {
        case '\\': out += "\\\\"; break;
        case '\'': out += "\\'"; break;
        case '"': out += "\\\""; break;
        case '<': out += "\\u003C"; break;
        case '>': out += "\\u003E"; break;
        case '&': out += "\\u0026"; break;
        case '=': out += "\\u003D"; break;
        default:
          if (c.value < ' ' || (c.value >= 0x80 && !IsPrintable(c.value))) {
            out += fmt::format("\\u{:04X}", static_cast<uint32_t>(c.value));
          } else {
            out += c.valid ? raw : std::string_view("\xef\xbf\xbd");
          }
      }
    }
    return out;
  }

  // Of those that are text here and none to Go: whether a verb is for them.
  static bool FitsVerb(const Datum& datum, char verb) {
    if (verb == 'v' || verb == 'T') return true;
    switch (datum.type) {
      case Type::kInvalid:
      case Type::kNil: return false;
      case Type::kBool: return verb == 't';
      case Type::kNumber: return std::string_view("sqxX").find(verb) != std::string_view::npos;
      default: return true;
    }
  }

  Result<Datum> Printf(const std::vector<Datum>& arguments) {
    std::string format(arguments[0].text);
    std::vector<Value> values;
    for (size_t i = 1; i < arguments.size(); ++i) {
      const Datum& argument = arguments[i];
      if (argument.type == Type::kInt || argument.type == Type::kByte) {
        values.push_back(Value::Int(argument.integer));
      } else if (argument.type == Type::kFloat) {
        values.push_back(Value::Double(argument.real));
      } else {
        values.push_back(Value::String(c_.arena, Plain(argument)));
      }
    }
    // %t is for those that are text here.
    size_t next = 1;
    for (size_t i = 0; i + 1 < format.size(); ++i) {
      if (format[i] != '%') continue;
      ++i;
      while (i < format.size() &&
             std::string_view("+-# 0123456789.").find(format[i]) != std::string_view::npos) {
        ++i;
      }
      if (i >= format.size() || format[i] == '[' || format[i] == '*') break;
      if (format[i] == '%') continue;
      if (next < arguments.size() && !FitsVerb(arguments[next], format[i])) {
        Datum bare = Unwrap(arguments[next]);
        values[next - 1] = Value::String(
            c_.arena, bare.valid()
                          ? fmt::format("%!{}({}={})", format[i], TypeText(bare), Plain(bare))
                          : fmt::format("%!{}(<nil>)", format[i]));
        format[i] = 'v';
      } else if (next < arguments.size() && arguments[next].type == Type::kBool &&
                 format[i] == 't') {
        format[i] = 'v';
      }
      if (format[i] == 'T' && next < arguments.size()) {
        Datum bare = arguments[next];
        bare.wrapped = false;
        values[next - 1] = Value::String(
            c_.arena, bare.valid() && bare.type != Type::kNil ? TypeText(bare) : "<nil>");
        format[i] = 'v';
      }
      ++next;
    }
    std::string out;
    if (!FormatLikeGo(c_, format, values, out)) halted_ = true;
    return Text(c_.arena, out);
  }

  static Result<Datum> Length(const Datum& of) {
    switch (of.type) {
      case Type::kInvalid: return Bad("reflect: call of reflect.Value.Type on zero Value");
      case Type::kNil: return Bad("len of nil pointer");
      case Type::kString:
      case Type::kNumber: return Int(static_cast<int64_t>(of.text.size()));
      case Type::kMap:
      case Type::kList: return Int(static_cast<int64_t>(of.value.size()));
      default: {
        Datum bare = of;
        bare.wrapped = false;
        return Bad(fmt::format("len of type {}", TypeText(bare)));
      }
    }
  }

  static Result<size_t> IndexOf(const Datum& index, size_t limit) {
    if (!index.valid()) return Bad("cannot index slice/array with nil");
    if (index.type != Type::kInt && index.type != Type::kByte) {
      return Bad(fmt::format("cannot index slice/array with type {}", TypeText(index)));
    }
    if (index.integer < 0 || static_cast<uint64_t>(index.integer) > limit) {
      return Bad(fmt::format("index out of range: {}", index.integer));
    }
    return static_cast<size_t>(index.integer);
  }

  Result<Datum> Index(const std::vector<Datum>& arguments) {
    Datum item = Unwrap(arguments[0]);
    if (!item.valid()) return Bad("index of untyped nil");
    for (size_t i = 1; i < arguments.size(); ++i) {
      Datum index = Unwrap(arguments[i]);
      if (item.type == Type::kNil) return Bad("index of nil pointer");
      if (item.type == Type::kList) {
        size_t at = BW_TRY(IndexOf(index, item.value.size()));
        if (at == item.value.size()) return Bad("reflect: slice index out of range");
        item = FromValue(item.value.items()[at], c_.arena);
      } else if (item.IsText()) {
        size_t at = BW_TRY(IndexOf(index, item.text.size()));
        if (at == item.text.size()) return Bad("reflect: string index out of range");
        item = {.type = Type::kByte, .integer = static_cast<uint8_t>(item.text[at])};
      } else if (item.type == Type::kMap) {
        if (!index.valid()) return Bad("value is nil; should be of type string");
        if (index.type != Type::kString) {
          return Bad(fmt::format("value has type {}; should be string", TypeText(index)));
        }
        const Value* found = item.value.Find(index.text);
        item = found != nullptr ? FromValue(*found, c_.arena)
                                : Datum{.type = Type::kNil, .wrapped = true};
      } else {
        item.wrapped = false;
        return Bad(fmt::format("can't index item of type {}", TypeText(item)));
      }
    }
    return item;
  }

  Result<Datum> Slice(const std::vector<Datum>& arguments) {
    Datum item = Unwrap(arguments[0]);
    if (!item.valid()) return Bad("slice of untyped nil");
    if (arguments.size() > 4) {
      return Bad(fmt::format("too many slice indexes: {}", arguments.size() - 1));
    }
    if (!item.IsText() && item.type != Type::kList) {
      return Bad(fmt::format("can't slice item of type {}", TypeText(item)));
    }
    if (item.IsText() && arguments.size() == 4) return Bad("cannot 3-index slice a string");
    size_t size = item.IsText() ? item.text.size() : item.value.size();
    size_t bounds[3] = {0, size, size};
    for (size_t i = 1; i < arguments.size(); ++i) {
      bounds[i - 1] = BW_TRY(IndexOf(Unwrap(arguments[i]), size));
    }
    if (bounds[0] > bounds[1]) {
      return Bad(fmt::format("invalid slice index: {} > {}", bounds[0], bounds[1]));
    }
    if (bounds[1] > bounds[2]) {
      return Bad(fmt::format("invalid slice index: {} > {}", bounds[1], bounds[2]));
    }
    size_t count = bounds[1] - bounds[0];
    if (item.IsText()) {
      item.text = item.text.substr(bounds[0], count);
    } else {
      item.value = Value::Array(item.value.items().subspan(bounds[0], count));
    }
    return item;
  }

  // What compares with what: bools, ints, bytes, floats, texts; 0 for anything else.
  static int Comparable(const Datum& datum) {
    switch (datum.type) {
      case Type::kBool: return 1;
      case Type::kInt: return 2;
      case Type::kByte: return 3;
      case Type::kFloat: return 4;
      case Type::kString:
      case Type::kNumber: return 5;
      default: return 0;
    }
  }
  static Error Incompatible(const Datum& a, const Datum& b) {
    return Bad(
        fmt::format("incompatible types for comparison: {} and {}", TypeText(a), TypeText(b)));
  }
  static bool BothInts(int a, int b) { return (a == 2 || a == 3) && (b == 2 || b == 3); }

  Result<Datum> Equal(const std::vector<Datum>& arguments) {
    if (arguments.size() < 2) return Bad("missing argument for comparison");
    Datum first = Unwrap(arguments[0]);
    for (size_t i = 1; i < arguments.size(); ++i) {
      Datum other = Unwrap(arguments[i]);
      int a = Comparable(first);
      int b = Comparable(other);
      bool same = false;
      if (BothInts(a, b)) {
        same = first.integer == other.integer;
      } else if (a != b) {
        if (first.valid() && other.valid()) return Incompatible(first, other);
      } else if (a == 1) {
        same = first.truth == other.truth;
      } else if (a == 4) {
        same = first.real == other.real;
      } else if (a == 5) {
        same = first.text == other.text;
      } else if (!first.valid() || !other.valid()) {
        same = first.valid() == other.valid();
      } else {
        if (first.type == other.type) {
          return Bad(fmt::format("non-comparable type {}: {}", Plain(other), TypeText(other)));
        }
        return Bad(fmt::format("non-comparable types {}: {}, {}: {}", Plain(first), TypeText(first),
                               TypeText(other), Plain(other)));
      }
      if (same) return Bool(true);
    }
    return Bool(false);
  }

  static Result<Datum> Less(const Datum& x, const Datum& y) {
    Datum first = Unwrap(x);
    Datum other = Unwrap(y);
    int a = Comparable(first);
    int b = Comparable(other);
    if (a == 0 || b == 0) return Bad("invalid type for comparison");
    if (BothInts(a, b)) return Bool(first.integer < other.integer);
    if (a != b) return Incompatible(first, other);
    if (a == 1) return Bad("invalid type for comparison");
    return Bool(a == 4 ? first.real < other.real : first.text < other.text);
  }

  Context& c_;
  const TemplateSet& set_;
  std::string out_, error_, name_;
  std::string callee_;  // of a call, as it is written
  bool halted_ = false;
  const Node* node_ = nullptr;
  size_t calls_ = 0;
  std::vector<std::pair<std::string, Datum>> variables_;
};

// The templates of a query.
struct Templates {
  std::map<std::string, std::shared_ptr<const TemplateSet>, std::less<>> sets;
};

// Sets have no counterpart in JSON.
bool HasSet(const Value& value) {
  if (value.IsSet()) return true;
  for (const Value& item : value.items()) {
    if (HasSet(item)) return true;
  }
  for (const Value::Entry& entry : value.entries()) {
    if (!entry.key.IsString() || HasSet(entry.value)) return true;
  }
  return false;
}

Outcome RenderTemplate(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!args[1].IsMap()) return c.WrongType(2, args[1], "object");
  if (!c.Spend(args[0].size() / 10 + 10)) return Outcome::kHalt;
  if (HasSet(args[1])) return c.Fail("invalid character in the JSON of the variables: a set");
  auto& known = c.state<Templates>().sets;
  std::shared_ptr<const TemplateSet> set;
  if (auto found = known.find(args[0].AsString()); found != known.end()) {
    set = found->second;
  } else {
    Result<std::shared_ptr<const TemplateSet>> parsed = ParseTemplate(args[0].AsString());
    if (!parsed) return c.Fail(parsed.error().message());
    set = *std::move(parsed);
    constexpr size_t kMaxKept = 100;
    if (known.size() < kMaxKept) known.emplace(args[0].AsString(), set);
  }
  Executor executor(c, *set);
  executor.Run(args[1]);
  if (executor.halted()) return Outcome::kHalt;
  if (!executor.error().empty()) return c.Fail(executor.error());
  out = Value::String(c.arena, ReplaceAll(executor.output(), "<no value>", "<undefined>"));
  return Outcome::kValue;
}

constexpr Builtin kTemplates[] = {
    {"strings.render_template", "(value: string, vars: object[string: any]) -> result: string",
     RenderTemplate},
};

}  // namespace

std::span<const Builtin> TemplateBuiltins() { return kTemplates; }

}  // namespace bulwark::rego
