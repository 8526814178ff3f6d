#include "formats/yaml_edit.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.h"
#include "formats/yaml_render.h"
#include "formats/yaml_tree.h"

namespace bulwark {

namespace {

using yaml::Quotes;
using yaml::RenderStyle;
using yaml::Tree;
using yaml::TreeNode;

// --- The edit done to a Value --------------------------------------------------------------------

Error PathError(const Path& path, size_t steps, const std::string& why,
                Code code = Code::kInvalid) {
  Path at(path.begin(), path.begin() + static_cast<long>(steps));
  std::string spelled = at.empty() ? "the document" : PathToString(at);
  return Error(code, "yaml_edit.path", spelled + ": " + why,
               {{"path", PathToString(path)}, {"at", PathToString(at)}, {"why", why}});
}

std::string_view KindName(const Value& value) {
  if (value.IsNull()) return "null";
  if (value.IsMap()) return "a map";
  if (value.IsArray()) return "an array";
  return "a scalar";
}

Value WithEntry(const Value& map, std::string_view key, const Value& value, Arena& arena) {
  MapBuilder builder(arena, map.size() + 1);
  for (const Value::Entry& entry : map.entries()) builder.Add(entry.key, entry.value);
  builder.Add(arena.Copy(key), value);
  return builder.Finish();
}

Value WithItem(const Value& array, size_t index, const Value& value, Arena& arena) {
  std::vector<Value> items(array.items().begin(), array.items().end());
  if (index == items.size()) items.emplace_back();
  items[index] = value;
  return Value::Array(arena, items);
}

Value Without(const Value& from, const PathStep& step, Arena& arena) {
  if (step.IsIndex()) {
    std::vector<Value> items(from.items().begin(), from.items().end());
    items.erase(items.begin() + step.index);
    return Value::Array(arena, items);
  }
  MapBuilder builder(arena, from.size());
  for (const Value::Entry& entry : from.entries()) {
    if (entry.key != Value::String(step.key)) builder.Add(entry.key, entry.value);
  }
  return builder.Finish();
}

// The value for what was at path[depth…]; nullptr stands for nothing there.
Result<Value> Apply(const Value* at, const DocumentEdit& edit, size_t depth, Arena& arena) {
  const Path& path = edit.path;
  if (depth == path.size()) {
    if (edit.kind == DocumentEdit::kSet) return edit.value;
    if (edit.kind == DocumentEdit::kRemove) {
      return PathError(path, depth, "the whole document cannot be removed");
    }
    if (at == nullptr || at->IsNull()) return Value::Array(arena, std::span(&edit.value, 1));
    if (!at->IsArray()) {
      return PathError(path, depth,
                       "expected an array to add to, found " + std::string(KindName(*at)));
    }
    return WithItem(*at, at->size(), edit.value, arena);
  }
  const PathStep& step = path[depth];
  bool nothing = at == nullptr || at->IsNull();
  if (nothing && edit.kind == DocumentEdit::kRemove) {
    return PathError(path, depth + 1, "is not there", Code::kNotFound);
  }
  Value here = nothing ? (step.IsIndex() ? Value::EmptyArray() : Value::EmptyMap()) : *at;
  const Value* child = nullptr;
  if (step.IsIndex()) {
    if (!here.IsArray()) {
      return PathError(path, depth, "expected an array, found " + std::string(KindName(here)));
    }
    auto index = static_cast<size_t>(step.index);
    if (index < here.size()) {
      child = &here.items()[index];
    } else if (edit.kind == DocumentEdit::kRemove) {
      return PathError(path, depth + 1, "is not there", Code::kNotFound);
    } else if (index > here.size()) {
      return PathError(path, depth + 1,
                       "the array has " + std::to_string(here.size()) + " items only");
    }
  } else {
    if (!here.IsMap()) {
      return PathError(path, depth, "expected a map, found " + std::string(KindName(here)));
    }
    child = here.Find(step.key);
    if (child == nullptr && edit.kind == DocumentEdit::kRemove) {
      return PathError(path, depth + 1, "is not there", Code::kNotFound);
    }
  }
  if (edit.kind == DocumentEdit::kRemove && depth + 1 == path.size()) {
    return Without(here, step, arena);
  }
  Value changed = BW_TRY(Apply(child, edit, depth + 1, arena));
  return step.IsIndex() ? WithItem(here, static_cast<size_t>(step.index), changed, arena)
                        : WithEntry(here, step.key, changed, arena);
}

// What YAML and JSON can spell.
Result<> CheckValue(const Value& value, size_t depth) {
  auto unsupported = [](const char* what) {
    return Error(Code::kUnsupported, "yaml_edit.unsupported", what);
  };
  if (depth == 0) return unsupported("the value is nested too deep");
  if (value.IsOpaque()) return unsupported("the value is of a kind that YAML cannot spell");
  for (const Value& item : value.items()) BW_TRY(CheckValue(item, depth - 1));
  for (const Value::Entry& entry : value.entries()) {
    if (!entry.key.IsString()) return unsupported("the value has a key that is no string");
    BW_TRY(CheckValue(entry.value, depth - 1));
  }
  return Ok{};
}

// --- The edit done to the text -------------------------------------------------------------------

struct Splice {
  size_t begin, end;
  std::string text;
};

// One edit of one text.
class Editor {
 public:
  Editor(std::string_view text, const Tree& tree, const Value& value, const DocumentEdit& edit,
         Arena& arena)
      : text_(text), tree_(tree), value_(value), edit_(edit), arena_(arena) {
    DetectStyle();
  }

  Result<std::string> Edit() {
    BW_TRY(Descend());
    if (edit_.kind == DocumentEdit::kRemove) {
      BW_TRY(Remove());
    } else {
      BW_TRY(Put());
    }
    if (lost_) return Failed();
    std::string out;
    size_t at = 0;
    std::sort(splices_.begin(), splices_.end(),
              [](const Splice& a, const Splice& b) { return a.begin < b.begin; });
    for (const Splice& splice : splices_) {
      if (splice.begin < at) return Failed();
      out += text_.substr(at, splice.begin - at);
      out += splice.text;
      at = splice.end;
    }
    out += text_.substr(at);
    return out;
  }

  static Error Failed() {
    return Error(
        Code::kUnsupported, "yaml_edit.failed",
        "the text is typed in a way that this edit cannot be done to without other changes");
  }

 private:
  // A node on the way down: the child number `child` of `parent` (of a map, the value's).
  struct Step {
    int32_t node;
    int32_t parent = -1;
    size_t child = 0;
  };

  // How the document is typed: line breaks, JSON or YAML, indentation.
  void DetectStyle() {
    size_t newline = text_.find('\n');
    if (newline != std::string_view::npos && newline > 0 && text_[newline - 1] == '\r') {
      style_.newline = "\r\n";
    }
    size_t first = text_.find_first_not_of(" \t\r\n");
    style_.json = first != std::string_view::npos && (text_[first] == '{' || text_[first] == '[');
    size_t indented = 0;
    size_t indentless = 0;
    bool have_width = false;
    // Backwards: a parent comes after its children, and the outermost tell the width best.
    for (size_t i = tree_.nodes.size(); i-- > 0;) {
      const TreeNode& node = tree_.nodes[i];
      if (node.kind != TreeNode::kMap || node.children.empty()) continue;
      for (size_t k = 0; k < node.children.size(); k += 2) {
        const TreeNode& key = tree_.at(node.children[k]);
        const TreeNode& value = tree_.at(node.children[k + 1]);
        bool collection = value.kind == TreeNode::kMap || value.kind == TreeNode::kSequence;
        if (!collection || value.children.empty() || value.tagged) continue;
        const TreeNode& child = tree_.at(value.children[0]);
        size_t outer = node.style == TreeNode::kBlock ? Column(key.begin) : LineIndent(key.begin);
        size_t inner = value.style == TreeNode::kBlock && value.kind == TreeNode::kMap
                           ? Column(child.begin)
                       : value.style == TreeNode::kBlock ? Column(value.begin)
                                                         : LineIndent(child.begin);
        if (value.kind == TreeNode::kSequence && value.style == TreeNode::kBlock) {
          ++(inner > outer ? indented : indentless);
        }
        if (!have_width && inner > outer && inner - outer <= 16) {
          style_.width = static_cast<int>(inner - outer);
          have_width = true;
        }
      }
    }
    style_.indent_sequences = indented > indentless;
  }

  // Goes down the path as far as the text has it. After it, way_ holds the nodes from the root on.
  Result<> Descend() {
    int32_t at = static_cast<int32_t>(tree_.nodes.size()) - 1;
    way_.push_back({at});
    const Value* value = &value_;
    for (size_t depth = 0;; ++depth) {
      const TreeNode& node = tree_.at(at);
      if (node.shared) return Shared(depth, "an alias refers to it");
      if (depth == edit_.path.size()) break;
      const PathStep& step = edit_.path[depth];
      if (node.kind == TreeNode::kAlias) {
        return Shared(depth, "it is an alias");
      }
      if (node.kind == TreeNode::kScalar) break;  // null: what follows is made
      std::optional<size_t> child;
      if (step.IsIndex()) {
        auto index = static_cast<size_t>(step.index);
        if (node.kind == TreeNode::kSequence && index < node.children.size()) child = index;
      } else {
        size_t count = 0;
        for (size_t k = 0; node.kind == TreeNode::kMap && k < node.children.size(); k += 2) {
          if (tree_.at(node.children[k]).kind == TreeNode::kAlias) {
            return Unsupported(depth, "it has an alias as a key");
          }
          if (tree_.at(node.children[k]).key != step.key) continue;
          child = k + 1;
          ++count;
        }
        if (count > 1) return Unsupported(depth + 1, "the key stands there more than once");
        if (!child && node.merges && value->Find(step.key) != nullptr &&
            (depth + 1 < edit_.path.size() || edit_.kind != DocumentEdit::kSet)) {
          return Shared(depth + 1, "it is merged with <<");
        }
      }
      if (!child) break;
      way_.push_back({node.children[*child], at, *child});
      at = node.children[*child];
      value =
          step.IsIndex() ? &value->items()[static_cast<size_t>(step.index)] : value->Find(step.key);
    }
    if (edit_.kind == DocumentEdit::kAppend && way_.size() == edit_.path.size() + 1 &&
        tree_.at(at).kind == TreeNode::kAlias) {
      return Shared(edit_.path.size(), "it is an alias");
    }
    // Explicit keys put their values on lines of their own, by rules of their own.
    for (const Step& step : way_) {
      const TreeNode& node = tree_.at(step.node);
      if (node.kind != TreeNode::kMap) continue;
      for (size_t k = 0; k < node.children.size(); k += 2) {
        size_t before = tree_.at(node.children[k]).begin;
        while (before > 0 && (text_[before - 1] == ' ' || text_[before - 1] == '\t')) --before;
        if (before > 0 && text_[before - 1] == '?') {
          return Unsupported(static_cast<size_t>(&step - way_.data()),
                             "it has an explicit key (?)");
        }
      }
    }
    return Ok{};
  }

  // --- Setting and adding ---

  Result<> Put() {
    const Step& last = way_.back();
    const TreeNode& node = tree_.at(last.node);
    size_t depth = way_.size() - 1;
    if (depth == edit_.path.size() && edit_.kind == DocumentEdit::kSet) {
      return Replace(last, edit_.value);
    }
    // What is to be made of the rest of the path, from the innermost out.
    Value made = edit_.value;
    if (edit_.kind == DocumentEdit::kAppend) {
      if (depth == edit_.path.size() && node.kind == TreeNode::kSequence) {
        return node.children.empty() ? Replace(last, One(made)) : AddItem(node, made);
      }
      made = One(made);
    }
    for (size_t i = edit_.path.size(); i-- > depth + 1;) made = Wrap(edit_.path[i], made);
    if (depth == edit_.path.size()) return Replace(last, made);
    const PathStep& step = edit_.path[depth];
    if (node.kind == TreeNode::kScalar || node.children.empty()) {
      return Replace(last, Wrap(step, made));
    }
    if (step.IsIndex()) return AddItem(node, made);
    return AddEntry(node, step.key, made);
  }

  Value One(const Value& item) { return Value::Array(arena_, std::span(&item, 1)); }
  Value Wrap(const PathStep& step, const Value& value) {
    if (step.IsIndex()) return One(value);
    return MapBuilder(arena_).Add(step.key, value).Finish();
  }

  // Puts another value in a node's place.
  Result<> Replace(const Step& step, const Value& value) {
    const TreeNode& node = tree_.at(step.node);
    if (step.parent < 0) return ReplaceRoot(node, value);
    const TreeNode& parent = tree_.at(step.parent);
    bool in_flow = parent.style == TreeNode::kFlow;
    bool was_block = node.style == TreeNode::kBlock;
    // Quotes and flow style are kept where they can be.
    Quotes quotes = QuotesOf(node);
    if (yaml::IsInline(value)) {
      std::string inline_text = yaml::RenderScalar(value, quotes, in_flow);
      if (!was_block) return ReplaceInline(step, inline_text);
      return ReplaceBlock(step, " " + inline_text, "");
    }
    bool keeps_flow = node.style == TreeNode::kFlow && !node.children.empty();
    if (in_flow || keeps_flow || style_.json) {
      bool lines = node.style == TreeNode::kFlow && !node.children.empty() && HasLines(node);
      if (lines || !was_block) {
        return ReplaceInline(step, RenderFlowAt(value, lines, LineIndent(node.begin)));
      }
    }
    // A block: under its key, or after its dash.
    size_t own = parent.kind == TreeNode::kMap
                     ? Column(tree_.at(parent.children[step.child - 1]).begin)
                     : DashColumn(parent);
    if (was_block && parent.kind == TreeNode::kMap && !node.tagged &&
        (node.kind == TreeNode::kMap) == value.IsMap()) {
      size_t indent = node.kind == TreeNode::kMap ? Column(tree_.at(node.children[0]).begin)
                                                  : Column(node.begin);
      return Cut(node.begin, node.end, yaml::RenderBlock(value, style_, indent));
    }
    if (parent.kind == TreeNode::kSequence) {
      std::string block = yaml::RenderBlock(value, style_, own + 2);
      std::string on_new_line = NewLine(own + 2) + block;
      return ReplaceBlock(step, " " + block, on_new_line);
    }
    bool deeper = value.IsMap() || style_.indent_sequences;
    size_t indent = own + (deeper ? static_cast<size_t>(style_.width) : 0);
    std::string block = NewLine(indent) + yaml::RenderBlock(value, style_, indent);
    return ReplaceBlock(step, block, block);
  }

  Result<> ReplaceRoot(const TreeNode& node, const Value& value) {
    bool flow = node.style == TreeNode::kFlow && (!node.children.empty() || style_.json);
    std::string rendered = yaml::IsInline(value) ? yaml::RenderScalar(value, QuotesOf(node), flow)
                           : flow                ? RenderFlowAt(value, HasLines(node), 0)
                                                 : yaml::RenderBlock(value, style_, 0);
    if (node.begin == node.end) {
      // Nothing but comments and perhaps a separator: at the end, on a line of its own.
      std::string before =
          text_.empty() || text_.ends_with('\n') ? "" : std::string(style_.newline);
      return Cut(text_.size(), text_.size(), before + rendered + std::string(style_.newline));
    }
    return Cut(node.begin, node.end, rendered);
  }

  // Text for text, on the line where the old value stands (or where it would, if it is empty).
  Result<> ReplaceInline(const Step& step, const std::string& rendered) {
    const TreeNode& node = tree_.at(step.node);
    if (node.begin != node.end) {
      bool line_break = node.keeps && text_[node.end - 1] == '\n';
      return Cut(node.begin, node.end,
                 line_break ? rendered + std::string(style_.newline) : rendered);
    }
    const TreeNode& parent = tree_.at(step.parent);
    if (parent.style == TreeNode::kFlow && parent.kind == TreeNode::kMap) {
      // {a: , b} — the place after the colon; {a} has none.
      const TreeNode& key = tree_.at(parent.children[step.child - 1]);
      std::optional<size_t> colon = ColonAfter(key);
      if (!colon) return Cut(key.end, key.end, ": " + rendered);
      bool space = *colon + 1 < text_.size() && text_[*colon] == ' ';
      return Cut(*colon, *colon + (space ? 1 : 0), " " + rendered);
    }
    size_t after = Indicator(step);
    return Cut(after, after, " " + rendered);
  }

  // Takes away the old value, wherever it stands after its colon or dash, and puts the new text
  // there; the comment on that line stays behind `rendered`, or before it where `after_comment` is
  // given.
  Result<> ReplaceBlock(const Step& step, const std::string& rendered,
                        const std::string& after_comment) {
    const TreeNode& node = tree_.at(step.node);
    size_t colon = Indicator(step);
    size_t line_end = LineEnd(colon);
    bool starts_below = node.begin > line_end;
    // The comment: after the colon if the value begins below it, else after the value.
    size_t comment_from = starts_below || node.begin == node.end ? colon : node.end;
    if (node.style == TreeNode::kBlockScalar) {
      comment_from = colon;
      size_t hash = text_.substr(0, LineEnd(node.begin)).find(" #", node.begin);
      comment_from = hash == std::string_view::npos ? LineEnd(node.begin) : hash;
    }
    std::string_view comment =
        TrimRight(text_.substr(comment_from, LineEnd(comment_from) - comment_from));
    if (!Trim(comment).empty() && Trim(comment)[0] != '#') comment = {};
    size_t end = std::max<size_t>(node.end, comment_from);
    end = node.keeps ? node.end : std::max(end, LineEnd(end));
    std::string text;
    if (comment.empty() || after_comment.empty()) {
      text = rendered + std::string(comment);
    } else {
      text = std::string(comment) + after_comment;
    }
    if (node.keeps) text += style_.newline;
    return Cut(colon, end, text);
  }

  Result<> AddEntry(const TreeNode& map, std::string_view key, const Value& value) {
    const TreeNode& last = tree_.at(map.children.back());
    if (map.style == TreeNode::kFlow) {
      const TreeNode& first_key = tree_.at(map.children[0]);
      Quotes quotes = style_.json ? Quotes::kDouble : QuotesOf(first_key);
      const TreeNode& last_key = tree_.at(map.children[map.children.size() - 2]);
      std::string text = yaml::RenderKey(key, quotes, true) + ": ";
      bool lines = OwnLine(last_key.begin);
      text += RenderFlowAt(value, lines, LineIndent(last_key.begin));
      return AddToFlow(std::max(last.end, last_key.end), last_key.begin, text);
    }
    size_t indent = Column(tree_.at(map.children[0]).begin);
    return AddLines(map, indent, yaml::RenderBlockEntry(key, value, style_, indent));
  }

  Result<> AddItem(const TreeNode& list, const Value& value) {
    const TreeNode& last = tree_.at(list.children.back());
    if (list.style == TreeNode::kFlow) {
      bool lines = OwnLine(last.begin);
      return AddToFlow(last.end, last.begin,
                       RenderFlowAt(value, lines, LineIndent(last.begin), QuotesOf(last)));
    }
    size_t indent = DashColumn(list);
    return AddLines(list, indent, yaml::RenderBlockItem(value, style_, indent));
  }

  // After the last entry: on the same line, or on a line of its own if that one has one.
  Result<> AddToFlow(size_t after, size_t last_begin, const std::string& text) {
    if (!OwnLine(last_begin)) return Cut(after, after, ", " + text);
    BW_TRY(Cut(after, after, ","));
    // A comma that is there already serves; then the comment behind it stays where it is.
    size_t comma = after;
    while (comma < text_.size() && (text_[comma] == ' ' || text_[comma] == '\t')) ++comma;
    size_t line = after;
    if (comma < text_.size() && text_[comma] == ',') {
      splices_.pop_back();
      return Cut(LineEnd(comma), LineEnd(comma),
                 NewLine(LineIndent(last_begin), last_begin) + text + ",");
    }
    line = LineEnd(after);
    std::string_view rest = Trim(text_.substr(after, line - after));
    if (!rest.empty() && rest[0] != '#') line = after;  // the bracket stands on this line
    return Cut(line, line, NewLine(LineIndent(last_begin), last_begin) + text);
  }

  // Lines after the last line of a block collection.
  Result<> AddLines(const TreeNode& node, size_t indent, const std::string& block) {
    size_t end = node.end;
    if (node.keeps && end > 0 && text_[end - 1] == '\n') {
      return Cut(end, end, std::string(indent, ' ') + block + std::string(style_.newline));
    }
    end = LineEnd(end);
    return Cut(end, end, NewLine(indent) + block);
  }

  // --- Removing ---

  Result<> Remove() {
    const Step& last = way_.back();
    if (way_.size() != edit_.path.size() + 1) return Failed();
    const TreeNode& parent = tree_.at(last.parent);
    size_t unit = parent.kind == TreeNode::kMap ? 2 : 1;
    size_t first = last.child / unit * unit;  // the entry's key, or the item
    if (parent.children.size() == unit) {
      std::string empty = parent.kind == TreeNode::kMap ? "{}" : "[]";
      const Step& holder = way_[way_.size() - 2];
      if (parent.style == TreeNode::kFlow || holder.parent < 0) {
        size_t begin = parent.begin;
        if (parent.tagged && parent.style == TreeNode::kFlow) return Unsupported(0, "it is tagged");
        return Cut(begin, parent.end, empty);
      }
      return ReplaceBlock(holder, " " + empty, "");
    }
    if (parent.style == TreeNode::kFlow) return RemoveFromFlow(parent, first, unit);
    return RemoveFromBlock(parent, first, unit);
  }

  Result<> RemoveFromFlow(const TreeNode& parent, size_t first, size_t unit) {
    size_t begin = tree_.at(parent.children[first]).begin;
    size_t end = std::max(tree_.at(parent.children[first]).end,
                          tree_.at(parent.children[first + unit - 1]).end);
    if (first + unit < parent.children.size()) {
      // With what is between it and the next, but for comments on other lines.
      size_t next = tree_.at(parent.children[first + unit]).begin;
      size_t comma = FlowComma(end);
      if (comma == std::string_view::npos) return Failed();
      size_t line = LineEnd(comma);
      std::string_view rest = TrimLeft(text_.substr(comma + 1, line - comma - 1));
      if (line < next && rest.empty()) {
        if (OwnLine(begin)) return Cut(LineStart(begin), NextLine(line), "");
        return Cut(begin, NextLine(line), "");
      }
      if (line < next && OwnLine(begin)) return Cut(LineStart(begin), NextLine(line), "");
      return Cut(begin, std::min(next, line < next ? line : next), "");
    }
    // The last: the comma before it goes too.
    size_t before = std::max(tree_.at(parent.children[first - 1]).end,
                             unit == 2 ? tree_.at(parent.children[first - 2]).end : 0U);
    size_t comma = FlowComma(before);
    if (comma == std::string_view::npos || comma >= begin) return Failed();
    if (!OwnLine(begin)) return Cut(comma, end, "");
    size_t own_comma = FlowComma(end);
    if (own_comma != std::string_view::npos && own_comma < parent.end) {
      // It had a comma of its own; the one before it may stay.
      return Cut(LineStart(begin), NextLine(LineEnd(own_comma)), "");
    }
    size_t line = LineEnd(end);
    std::string_view rest = TrimLeft(text_.substr(end, line - end));
    if (rest.empty() || rest[0] == '#') {
      BW_TRY(Cut(comma, comma + 1, ""));
      return Cut(LineStart(begin), NextLine(line), "");
    }
    return Cut(comma, end, "");
  }

  Result<> RemoveFromBlock(const TreeNode& parent, size_t first, size_t unit) {
    size_t begin = parent.kind == TreeNode::kMap ? tree_.at(parent.children[first]).begin
                                                 : DashOf(parent, first);
    const TreeNode& last = tree_.at(parent.children[first + unit - 1]);
    size_t end = std::max(last.end, tree_.at(parent.children[first]).end);
    end = last.keeps && text_[end - 1] == '\n' ? end : NextLine(LineEnd(end));
    if (OwnLine(begin)) return Cut(LineStart(begin), end, "");
    // It stands behind a dash: the next one moves up to it, over comments between them.
    if (first + unit >= parent.children.size()) return Failed();
    size_t next = parent.kind == TreeNode::kMap ? tree_.at(parent.children[first + unit]).begin
                                                : DashOf(parent, first + unit);
    std::string_view between = text_.substr(end, LineStart(next) - std::min(end, LineStart(next)));
    if (Trim(between).empty()) return Cut(begin, next, "");
    // Comments stay, below the dash.
    std::string kept(style_.newline);
    kept += between;
    return Cut(begin, next, kept + std::string(Column(next), ' '));
  }

  // --- Places in the text ---

  size_t LineStart(size_t at) const {
    size_t newline = at == 0 ? std::string_view::npos : text_.rfind('\n', at - 1);
    if (newline != std::string_view::npos) return newline + 1;
    return text_.starts_with("\xef\xbb\xbf") && at >= 3 ? 3 : 0;  // a byte order mark is no column
  }
  // Before the line break.
  size_t LineEnd(size_t at) const {
    size_t newline = std::min(text_.find('\n', at), text_.size());
    return newline > at && newline < text_.size() && text_[newline - 1] == '\r' ? newline - 1
                                                                                : newline;
  }
  size_t NextLine(size_t line_end) const {
    return std::min(text_.find('\n', line_end), text_.size() - 1) + (text_.empty() ? 0 : 1);
  }
  size_t Column(size_t at) const {
    return CountCodePoints(text_.substr(LineStart(at), at - LineStart(at)));
  }
  size_t LineIndent(size_t at) const {
    size_t start = LineStart(at);
    size_t indent = start;
    while (indent < at && (text_[indent] == ' ' || text_[indent] == '\t')) ++indent;
    return indent - start;
  }
  bool OwnLine(size_t at) const { return LineIndent(at) == at - LineStart(at); }
  // A line break and an indentation of spaces, or of what stands before `like`.
  std::string NewLine(size_t indent) const {
    return std::string(style_.newline) + std::string(indent, ' ');
  }
  std::string NewLine(size_t indent, size_t like) const {
    return std::string(style_.newline) + std::string(text_.substr(LineStart(like), indent));
  }
  // Past white space and comments.
  size_t SkipSpace(size_t at) const {
    while (at < text_.size()) {
      if (IsAsciiSpace(text_[at])) {
        ++at;
      } else if (text_[at] == '#') {
        at = LineEnd(at);
      } else {
        break;
      }
    }
    return at;
  }
  std::optional<size_t> ColonAfter(const TreeNode& key) const {
    size_t at = SkipSpace(key.end);
    if (at < text_.size() && text_[at] == ':') return at + 1;
    return std::nullopt;
  }
  size_t FlowComma(size_t after) const {
    size_t at = SkipSpace(after);
    return at < text_.size() && text_[at] == ',' ? at : std::string_view::npos;
  }
  // Where the dash of a block sequence's item stands.
  size_t DashOf(const TreeNode& list, size_t item) {
    size_t at = item == 0 ? list.begin : tree_.at(list.children[item - 1]).end;
    // Anchor and tag stand on the line before.
    if (item == 0 && list.tagged) at = LineEnd(at);
    at = SkipSpace(at);
    // Line breaks of libyaml's that are none here (a lone \r, U+2028) may hide it.
    if (at >= text_.size() || text_[at] != '-') lost_ = true;
    return at;
  }
  size_t DashColumn(const TreeNode& list) { return Column(DashOf(list, 0)); }
  // One past the colon or dash that a value in a block collection stands after.
  size_t Indicator(const Step& step) {
    const TreeNode& parent = tree_.at(step.parent);
    if (parent.kind == TreeNode::kSequence)
      return std::min(DashOf(parent, step.child) + 1, text_.size());
    const TreeNode& key = tree_.at(parent.children[step.child - 1]);
    return ColonAfter(key).value_or(key.end);
  }
  // Whether the first child of a flow collection begins a line.
  bool HasLines(const TreeNode& node) const {
    return !node.children.empty() && OwnLine(tree_.at(node.children[0]).begin);
  }

  Quotes QuotesOf(const TreeNode& node) const {
    if (style_.json || node.style == TreeNode::kDoubleQuoted) return Quotes::kDouble;
    return node.style == TreeNode::kSingleQuoted ? Quotes::kSingle : Quotes::kAsNeeded;
  }
  std::string RenderFlowAt(const Value& value, bool lines, size_t indent,
                           Quotes quotes = Quotes::kAsNeeded) const {
    if (yaml::IsInline(value)) {
      return yaml::RenderScalar(value, style_.json ? Quotes::kDouble : quotes, true);
    }
    return yaml::RenderFlow(value, style_, lines, indent);
  }

  Result<> Cut(size_t begin, size_t end, std::string text) {
    if (end < begin || end > text_.size()) return Failed();
    splices_.push_back({begin, end, std::move(text)});
    return Ok{};
  }

  Error Shared(size_t depth, const std::string& why) const {
    Path at(edit_.path.begin(), edit_.path.begin() + static_cast<long>(depth));
    std::string spelled = at.empty() ? "the document" : PathToString(at);
    return Error(Code::kUnsupported, "yaml_edit.shared",
                 spelled + ": the edit would change other places too: " + why,
                 {{"path", PathToString(edit_.path)}, {"at", PathToString(at)}, {"why", why}});
  }
  Error Unsupported(size_t depth, const std::string& why) const {
    Path at(edit_.path.begin(), edit_.path.begin() + static_cast<long>(depth));
    return Error(Code::kUnsupported, "yaml_edit.unsupported",
                 (at.empty() ? "the document" : PathToString(at)) + ": " + why,
                 {{"path", PathToString(edit_.path)}, {"why", why}});
  }

  std::string_view text_;
  const Tree& tree_;
  const Value& value_;
  const DocumentEdit& edit_;
  Arena& arena_;
  RenderStyle style_;
  std::vector<Step> way_;
  std::vector<Splice> splices_;
  bool lost_ = false;  // a dash was not found where it must be
};

}  // namespace

Result<Value> ApplyEdit(const Value& root, const DocumentEdit& edit, Arena& arena) {
  return Apply(&root, edit, 0, arena);
}

Result<std::string> EditYaml(std::string_view text, std::span<const DocumentEdit> edits,
                             const YamlOptions& options) {
  std::string current(text);
  Arena arena;
  Value value = BW_TRY(ParseYaml(current, arena, options));
  for (const DocumentEdit& edit : edits) {
    BW_TRY(CheckValue(edit.value, options.max_depth));
    Value wanted = BW_TRY(ApplyEdit(value, edit, arena));
    if (wanted == value) continue;
    Tree tree = BW_TRY(yaml::ReadTree(current, options));
    std::string next = BW_TRY(Editor(current, tree, value, edit, arena).Edit());
    Result<Value> read = ParseYaml(next, arena, options);
    if (!read || *read != wanted) return Editor::Failed();
    current = std::move(next);
    value = *read;
  }
  return current;
}

}  // namespace bulwark
