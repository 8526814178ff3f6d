#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/graphql_ast.h"
#include "lang/rego/builtins/graphql_lexer.h"

namespace bulwark::rego {

namespace {

using Kind = GqlTokenKind;

constexpr size_t kMaxDepth = 300;
constexpr size_t kMaxBytes = size_t{4} << 20;
constexpr size_t kMaxArguments = 1000;  // of one field or directive

struct Description {
  std::string text;
  GqlComments comments;
};

// Recursive descent with one token of look-ahead. After an error, every function returns at once,
// for no token comes any more.
class Parser {
 public:
  Parser(std::string_view text, GqlPool& pool) : lexer_(text), pool_(pool) {
    if (text.size() > kMaxBytes) error_ = GqlError{GqlPosition{1, 1}, "document is too long"};
  }

  const std::optional<GqlError>& error() const { return error_; }

  GqlQueryDocument Query() {
    GqlQueryDocument document;
    while (Peek().kind != Kind::kEof && !error_) {
      const GqlToken& token = Peek();
      if (token.kind == Kind::kBraceL) {
        document.operations.push_back(Operation());
      } else if (token.kind == Kind::kName &&
                 (token.value == "query" || token.value == "mutation" ||
                  token.value == "subscription")) {
        document.operations.push_back(Operation());
      } else if (token.kind == Kind::kName && token.value == "fragment") {
        document.fragments.push_back(Fragment());
      } else {
        Unexpected();
      }
    }
    return document;
  }

  GqlSchemaDocument Schema() {
    GqlSchemaDocument document;
    while (Peek().kind != Kind::kEof && !error_) {
      Description description;
      if (IsText(Peek().kind)) description = ReadDescription();
      if (Peek().kind != Kind::kName) {
        Unexpected();
        break;
      }
      std::string keyword = Peek().value;
      if (keyword == "schema") {
        document.schema.push_back(SchemaDefinition(std::move(description)));
      } else if (keyword == "directive") {
        document.directives.push_back(DirectiveDefinition(std::move(description)));
      } else if (keyword == "extend") {
        if (!description.text.empty()) UnexpectedToken(previous_);
        Extension(document);
      } else if (KindOf(keyword) != nullptr) {
        document.definitions.push_back(Definition(keyword, std::move(description)));
      } else {
        Unexpected();
        break;
      }
    }
    document.comments = comments_;
    return document;
  }

 private:
  // --- Tokens ------------------------------------------------------------------------------------

  static bool IsText(Kind kind) { return kind == Kind::kString || kind == Kind::kBlockString; }

  const GqlToken& Peek() {
    if (error_) return previous_;
    if (!peeked_) {
      next_ = lexer_.Next();
      peeked_ = true;
      if (next_.kind == Kind::kComment) {
        std::vector<std::string> comments;
        while (next_.kind == Kind::kComment) {
          comments.push_back(std::move(next_.value));
          next_ = lexer_.Next();
        }
        comments_ = std::move(comments);
      }
    }
    return next_;
  }

  GqlToken Next() {
    if (error_) return previous_;
    Peek();
    peeked_ = false;
    comments_.reset();
    previous_ = std::move(next_);
    if (previous_.error) error_ = previous_.error;
    return previous_;
  }

  void Fail(const GqlToken& token, std::string message) {
    if (!error_) error_ = GqlError{token.place, std::move(message)};
  }
  void UnexpectedToken(const GqlToken& token) { Fail(token, "Unexpected " + token.Text()); }
  void Unexpected() { UnexpectedToken(Peek()); }

  GqlToken Expect(Kind kind) {
    if (Peek().kind == kind) return Next();
    Fail(Peek(),
         fmt::format("Expected {}, found {}", GqlTokenName(kind), GqlTokenName(Peek().kind)));
    return Peek();
  }
  // The comments before it.
  GqlComments ExpectKeyword(std::string_view keyword) {
    const GqlToken& token = Peek();
    GqlComments comments = comments_;
    if (token.kind == Kind::kName && token.value == keyword) {
      Next();
    } else {
      Fail(token, fmt::format("Expected {}, found {}", GoQuote(keyword), token.Text()));
    }
    return comments;
  }
  bool Skip(Kind kind) {
    if (error_ || Peek().kind != kind) return false;
    Next();
    return true;
  }
  GqlPlace PeekPlace() {
    if (error_) return std::nullopt;
    return Peek().place;
  }
  std::string Name() {
    GqlToken token = Expect(Kind::kName);
    return token.value;
  }

  template <typename F>
  void Many(Kind open, Kind close, F each) {
    if (!Skip(open)) return;
    while (Peek().kind != close && !error_) each();
    Next();
  }
  // At least one; the comments before the closing token.
  template <typename F>
  GqlComments Some(Kind open, Kind close, F each) {
    if (!Skip(open)) return std::nullopt;
    bool any = false;
    while (Peek().kind != close && !error_) {
      any = true;
      each();
    }
    if (!any) {
      Fail(Peek(),
           fmt::format("expected at least one definition, found {}", GqlTokenName(Peek().kind)));
      return std::nullopt;
    }
    GqlComments comments = comments_;
    Next();
    return comments;
  }

  // Counts how deep things are within each other.
  class Deeper {
   public:
    explicit Deeper(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxDepth) {
        parser_.Fail(parser_.Peek(), "document is nested too deeply");
      }
    }
    ~Deeper() { --parser_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Parser& parser_;
  };

  // --- Queries -----------------------------------------------------------------------------------

  GqlOperation* Operation() {
    GqlOperation* operation = pool_.New<GqlOperation>();
    operation->place = PeekPlace();
    if (Peek().kind == Kind::kBraceL) {  // the comments before it are nobody's

      operation->operation = "query";
      operation->selections = RequiredSelections();
      return operation;
    }
    operation->comments = comments_;
    operation->operation = OperationType();
    if (Peek().kind == Kind::kName) operation->name = Next().value;
    operation->variables = Variables();
    operation->directives = Directives(false);
    operation->selections = RequiredSelections();
    return operation;
  }

  std::string OperationType() {
    GqlToken token = Next();
    if (token.value == "query" || token.value == "mutation" || token.value == "subscription") {
      return token.value;
    }
    UnexpectedToken(token);
    return "";
  }

  std::vector<GqlVariableDefinition*> Variables() {
    std::vector<GqlVariableDefinition*> out;
    Some(Kind::kParenL, Kind::kParenR, [&] {
      GqlVariableDefinition* variable = pool_.New<GqlVariableDefinition>();
      variable->place = PeekPlace();
      variable->comments = comments_;
      variable->name = VariableName();
      Expect(Kind::kColon);
      variable->type = Type();
      if (Skip(Kind::kEquals)) variable->default_value = Literal(true);
      variable->directives = Directives(false);
      out.push_back(variable);
    });
    return out;
  }

  std::string VariableName() {
    Expect(Kind::kDollar);
    return Name();
  }

  std::vector<GqlSelection*> Selections() {
    Deeper deeper(*this);
    std::vector<GqlSelection*> out;
    Some(Kind::kBraceL, Kind::kBraceR, [&] { out.push_back(Selection()); });
    return out;
  }

  std::vector<GqlSelection*> RequiredSelections() {
    if (Peek().kind != Kind::kBraceL) {
      Fail(Peek(), fmt::format("Expected {{, found {}", GqlTokenName(Peek().kind)));
      return {};
    }
    return Selections();
  }

  GqlSelection* Selection() {
    GqlSelection* selection = pool_.New<GqlSelection>();
    if (Peek().kind == Kind::kSpread) {
      FragmentSelection(*selection);
      return selection;
    }
    selection->place = PeekPlace();
    selection->comments = comments_;
    selection->alias = Name();
    selection->name = Skip(Kind::kColon) ? Name() : selection->alias;
    selection->arguments = Arguments(false);
    selection->directives = Directives(false);
    if (Peek().kind == Kind::kBraceL) selection->selections = Selections();
    return selection;
  }

  void FragmentSelection(GqlSelection& selection) {
    selection.comments = comments_;
    Expect(Kind::kSpread);
    selection.place = PeekPlace();
    if (Peek().kind == Kind::kName && Peek().value != "on") {
      selection.kind = GqlSelection::Kind::kSpread;
      selection.name = FragmentName();
      selection.directives = Directives(false);
      return;
    }
    selection.kind = GqlSelection::Kind::kInline;
    if (Peek().value == "on") {
      Next();
      selection.type_condition = Name();
    }
    selection.directives = Directives(false);
    selection.selections = RequiredSelections();
  }

  std::string FragmentName() {
    if (Peek().value == "on") {
      Unexpected();
      return "";
    }
    return Name();
  }

  GqlFragmentDefinition* Fragment() {
    GqlFragmentDefinition* fragment = pool_.New<GqlFragmentDefinition>();
    fragment->place = PeekPlace();
    fragment->comments = comments_;
    ExpectKeyword("fragment");
    fragment->name = FragmentName();
    fragment->variables = Variables();
    ExpectKeyword("on");
    fragment->type_condition = Name();
    fragment->directives = Directives(false);
    fragment->selections = RequiredSelections();
    return fragment;
  }

  std::vector<GqlArgument> Arguments(bool constant) {
    std::vector<GqlArgument> out;
    Some(Kind::kParenL, Kind::kParenR, [&] {
      GqlArgument argument;
      argument.place = PeekPlace();
      argument.comments = comments_;
      argument.name = Name();
      Expect(Kind::kColon);
      argument.value = Literal(constant);
      out.push_back(std::move(argument));
      if (out.size() > kMaxArguments) Fail(Peek(), "too many arguments");
    });
    return out;
  }

  std::vector<GqlDirective*> Directives(bool constant) {
    std::vector<GqlDirective*> out;
    while (Peek().kind == Kind::kAt && !error_) {
      Expect(Kind::kAt);
      GqlDirective* directive = pool_.New<GqlDirective>();
      directive->place = PeekPlace();
      directive->name = Name();
      directive->arguments = Arguments(constant);
      out.push_back(directive);
    }
    return out;
  }

  GqlValue* Literal(bool constant) {
    Deeper deeper(*this);
    GqlValue* value = pool_.New<GqlValue>();
    const GqlToken& token = Peek();
    value->place = PeekPlace();
    value->comments = comments_;
    switch (token.kind) {
      case Kind::kBracketL:
        value->kind = GqlKind::kList;
        Many(Kind::kBracketL, Kind::kBracketR, [&] {
          GqlValue::Child child;
          child.value = Literal(constant);
          value->children.push_back(std::move(child));
        });
        return value;
      case Kind::kBraceL:
        value->kind = GqlKind::kObject;
        Many(Kind::kBraceL, Kind::kBraceR, [&] {
          GqlValue::Child child;
          child.place = PeekPlace();
          child.comments = comments_;
          child.name = Name();
          Expect(Kind::kColon);
          child.value = Literal(constant);
          value->children.push_back(std::move(child));
        });
        return value;
      case Kind::kDollar:
        if (constant) {
          Unexpected();
          return value;
        }
        value->kind = GqlKind::kVariable;
        value->raw = VariableName();
        value->comments = comments_;
        return value;
      case Kind::kInt: value->kind = GqlKind::kInt; break;
      case Kind::kFloat: value->kind = GqlKind::kFloat; break;
      case Kind::kString: value->kind = GqlKind::kString; break;
      case Kind::kBlockString: value->kind = GqlKind::kBlock; break;
      case Kind::kName:
        value->kind = token.value == "true" || token.value == "false" ? GqlKind::kBoolean
                      : token.value == "null"                         ? GqlKind::kNull
                                                                      : GqlKind::kEnum;
        break;
      default: Unexpected(); return value;
    }
    value->raw = Next().value;
    value->comments = comments_;
    return value;
  }

  GqlType* Type() {
    Deeper deeper(*this);
    GqlType* type = pool_.New<GqlType>();
    if (Skip(Kind::kBracketL)) {
      type->place = PeekPlace();
      type->element = error_ ? nullptr : Type();
      Expect(Kind::kBracketR);
    } else {
      type->place = PeekPlace();
      type->name = Name();
    }
    if (Skip(Kind::kBang)) type->non_null = true;
    return type;
  }

  // --- Schemas -----------------------------------------------------------------------------------

  Description ReadDescription() {
    Description description;
    if (!IsText(Peek().kind)) return description;
    description.comments = comments_;
    description.text = Next().value;
    return description;
  }
  // Of a field, an argument or a value of an enumeration.
  template <typename T>
  void MemberStart(T& member) {
    Description description = ReadDescription();
    if (!description.text.empty()) {
      member.before = std::move(description.comments);
      member.description = std::move(description.text);
    }
    Peek();
    member.after = comments_;
    member.place = PeekPlace();
    member.name = Name();
  }

  static const char* KindOf(std::string_view keyword) {
    if (keyword == "scalar") return "SCALAR";
    if (keyword == "type") return "OBJECT";
    if (keyword == "interface") return "INTERFACE";
    if (keyword == "union") return "UNION";
    if (keyword == "enum") return "ENUM";
    if (keyword == "input") return "INPUT_OBJECT";
    return nullptr;
  }

  GqlSchemaDefinition* SchemaDefinition(Description description) {
    GqlSchemaDefinition* schema = pool_.New<GqlSchemaDefinition>();
    schema->after = ExpectKeyword("schema");
    schema->place = PeekPlace();
    schema->before = std::move(description.comments);
    schema->description = std::move(description.text);
    SchemaBody(*schema);
    return schema;
  }

  void SchemaBody(GqlSchemaDefinition& schema) {
    schema.directives = Directives(true);
    schema.end = Some(Kind::kBraceL, Kind::kBraceR, [&] {
      GqlSchemaDefinition::Operation operation;
      operation.place = PeekPlace();
      operation.comments = comments_;
      operation.operation = OperationType();
      Expect(Kind::kColon);
      operation.type = Name();
      schema.operations.push_back(std::move(operation));
    });
  }

  GqlDefinition* Definition(const std::string& keyword, Description description) {
    GqlDefinition* definition = pool_.New<GqlDefinition>();
    definition->after = ExpectKeyword(keyword);
    definition->place = PeekPlace();
    definition->kind = KindOf(keyword);
    definition->before = std::move(description.comments);
    definition->description = std::move(description.text);
    definition->name = Name();
    bool implements = keyword == "type" || keyword == "interface";
    if (implements) definition->interfaces = Interfaces();
    definition->directives = Directives(true);
    DefinitionBody(keyword, *definition);
    return definition;
  }

  void DefinitionBody(const std::string& keyword, GqlDefinition& definition) {
    if (keyword == "type" || keyword == "interface" || keyword == "input") {
      definition.end = Some(Kind::kBraceL, Kind::kBraceR, [&] {
        definition.fields.push_back(keyword == "input" ? InputField() : Field());
      });
    } else if (keyword == "union") {
      if (!Skip(Kind::kEquals)) return;
      Skip(Kind::kPipe);
      do {
        definition.type_places.push_back(PeekPlace());
        definition.types.push_back(Name());
      } while (Skip(Kind::kPipe) && !error_);
    } else if (keyword == "enum") {
      definition.end = Some(Kind::kBraceL, Kind::kBraceR, [&] {
        GqlEnumValue value;
        MemberStart(value);
        value.directives = Directives(true);
        definition.enum_values.push_back(std::move(value));
      });
    }
  }

  std::vector<std::string> Interfaces() {
    std::vector<std::string> out;
    if (Peek().value != "implements") return out;
    Next();
    Skip(Kind::kAmp);
    do {
      out.push_back(Name());
    } while (Skip(Kind::kAmp) && !error_);
    return out;
  }

  GqlFieldDefinition* Field() {
    GqlFieldDefinition* field = pool_.New<GqlFieldDefinition>();
    MemberStart(*field);
    field->arguments = ArgumentDefinitions();
    Expect(Kind::kColon);
    field->type = Type();
    field->directives = Directives(true);
    return field;
  }

  GqlFieldDefinition* InputField() {
    GqlFieldDefinition* field = pool_.New<GqlFieldDefinition>();
    MemberStart(*field);
    InputRest(*field);
    return field;
  }

  template <typename T>
  void InputRest(T& input) {
    Expect(Kind::kColon);
    input.type = Type();
    if (Skip(Kind::kEquals)) input.default_value = Literal(true);
    input.directives = Directives(true);
  }

  std::vector<GqlArgumentDefinition> ArgumentDefinitions() {
    std::vector<GqlArgumentDefinition> out;
    Some(Kind::kParenL, Kind::kParenR, [&] {
      GqlArgumentDefinition argument;
      MemberStart(argument);
      InputRest(argument);
      out.push_back(std::move(argument));
      if (out.size() > kMaxArguments) Fail(Peek(), "too many arguments");
    });
    return out;
  }

  void Extension(GqlSchemaDocument& document) {
    GqlComments comments = ExpectKeyword("extend");
    std::string keyword = Peek().value;
    if (keyword == "schema") {
      GqlSchemaDefinition* schema = pool_.New<GqlSchemaDefinition>();
      ExpectKeyword("schema");
      schema->place = PeekPlace();
      schema->after = std::move(comments);
      SchemaBody(*schema);
      if (schema->directives.empty() && schema->operations.empty()) Unexpected();
      document.extensions_of_schema.push_back(schema);
      return;
    }
    const char* kind = KindOf(keyword);
    if (kind == nullptr) {
      Unexpected();
      return;
    }
    GqlDefinition* definition = pool_.New<GqlDefinition>();
    ExpectKeyword(keyword);
    definition->place = PeekPlace();
    definition->after = std::move(comments);
    definition->kind = kind;
    definition->name = Name();
    if (keyword == "type") definition->interfaces = Interfaces();
    definition->directives = Directives(keyword != "input");
    DefinitionBody(keyword, *definition);
    if (definition->directives.empty() && definition->interfaces.empty() &&
        definition->fields.empty() && definition->types.empty() &&
        definition->enum_values.empty()) {
      Unexpected();
    }
    document.extensions.push_back(definition);
  }

  GqlDirectiveDefinition* DirectiveDefinition(Description description) {
    GqlDirectiveDefinition* directive = pool_.New<GqlDirectiveDefinition>();
    directive->after = ExpectKeyword("directive");
    Expect(Kind::kAt);
    directive->place = PeekPlace();
    directive->before = std::move(description.comments);
    directive->description = std::move(description.text);
    directive->name = Name();
    directive->arguments = ArgumentDefinitions();
    if (Peek().kind == Kind::kName && Peek().value == "repeatable") {
      directive->repeatable = true;
      Skip(Kind::kName);
    }
    ExpectKeyword("on");
    Skip(Kind::kPipe);
    do {
      directive->locations.push_back(Location());
    } while (Skip(Kind::kPipe) && !error_);
    return directive;
  }

  std::string Location() {
    constexpr std::string_view kLocations[] = {"QUERY",
                                               "MUTATION",
                                               "SUBSCRIPTION",
                                               "FIELD",
                                               "FRAGMENT_DEFINITION",
                                               "FRAGMENT_SPREAD",
                                               "INLINE_FRAGMENT",
                                               "VARIABLE_DEFINITION",
                                               "SCHEMA",
                                               "SCALAR",
                                               "OBJECT",
                                               "FIELD_DEFINITION",
                                               "ARGUMENT_DEFINITION",
                                               "INTERFACE",
                                               "UNION",
                                               "ENUM",
                                               "ENUM_VALUE",
                                               "INPUT_OBJECT",
                                               "INPUT_FIELD_DEFINITION"};
    GqlToken name = Expect(Kind::kName);
    if (std::find(std::begin(kLocations), std::end(kLocations), name.value) !=
        std::end(kLocations)) {
      return name.value;
    }
    UnexpectedToken(name);
    return "";
  }

  GqlLexer lexer_;
  GqlPool& pool_;
  std::optional<GqlError> error_;
  bool peeked_ = false;
  GqlToken next_, previous_;
  GqlComments comments_;
  size_t depth_ = 0;
};

}  // namespace

std::string GqlError::Text() const {
  if (!place) return "input: " + message;
  return fmt::format("input:{}:{}: {}", place->line, place->column, message);
}

const std::string& GqlType::Name() const {
  const GqlType* type = this;
  while (type->name.empty() && type->element != nullptr) type = type->element;
  return type->name;
}

std::string GqlType::Text() const {
  std::string out = name;
  if (name.empty()) out = "[" + (element != nullptr ? element->Text() : std::string()) + "]";
  return non_null ? out + "!" : out;
}

bool GqlType::Fits(const GqlType& other) const {
  if (name != other.name) return false;
  if (element != nullptr) {
    if (other.element == nullptr || !element->Fits(*other.element)) return false;
  }
  return !other.non_null || non_null;
}

std::string GqlValue::Text() const {
  switch (kind) {
    case GqlKind::kVariable: return "$" + raw;
    case GqlKind::kString:
    case GqlKind::kBlock: return GoQuote(raw);
    case GqlKind::kList:
    case GqlKind::kObject: {
      std::string out;
      for (const Child& child : children) {
        if (!out.empty()) out += ',';
        if (kind == GqlKind::kObject) out += child.name + ":";
        out += child.value != nullptr ? child.value->Text() : "<nil>";
      }
      return kind == GqlKind::kList ? "[" + out + "]" : "{" + out + "}";
    }
    default: return raw;
  }
}

const GqlValue* GqlValue::Find(std::string_view name) const {
  for (const Child& child : children) {
    if (child.name == name) return child.value;
  }
  return nullptr;
}

GqlFieldDefinition* GqlDefinition::Field(std::string_view field) const {
  constexpr size_t kFew = 16;
  if (fields.size() > kFew) {
    for (; indexed_ < fields.size(); ++indexed_) {
      index_.emplace(fields[indexed_]->name, fields[indexed_]);
    }
    auto found = index_.find(field);
    return found == index_.end() ? nullptr : found->second;
  }
  for (GqlFieldDefinition* candidate : fields) {
    if (candidate->name == field) return candidate;
  }
  return nullptr;
}

bool GqlDefinition::HasDirective(std::string_view directive) const {
  return std::any_of(directives.begin(), directives.end(),
                     [&](const GqlDirective* d) { return d->name == directive; });
}

GqlFragmentDefinition* GqlQueryDocument::Fragment(std::string_view name) const {
  for (GqlFragmentDefinition* fragment : fragments) {
    if (fragment->name == name) return fragment;
  }
  return nullptr;
}

Result<GqlQueryDocument> ParseGqlQuery(std::string_view text, GqlPool& pool) {
  Parser parser(text, pool);
  GqlQueryDocument document = parser.Query();
  if (parser.error()) return Error(Code::kInvalid, parser.error()->Text());
  return document;
}

Result<GqlSchemaDocument> ParseGqlSchema(std::string_view text, GqlPool& pool) {
  Parser parser(text, pool);
  GqlSchemaDocument document = parser.Schema();
  if (parser.error()) return Error(Code::kInvalid, parser.error()->Text());
  return document;
}

}  // namespace bulwark::rego
