#include "formats/yaml_tree.h"

#include <unordered_map>

#include "formats/yaml_events.h"
#include "formats/yaml_scalar.h"

namespace bulwark::yaml {

namespace {

class Reader {
 public:
  Reader(std::string_view text, const YamlOptions& options)
      : text_(text), options_(options), events_(text) {}

  Result<Tree> Read() {
    while (true) {
      const yaml_event_t* event = events_.Next();
      if (event == nullptr) return events_.Problem(options_.origin);
      switch (event->type) {
        case YAML_SCALAR_EVENT: Complete(Scalar(*event)); break;
        case YAML_ALIAS_EVENT: Complete(Alias(*event)); break;
        case YAML_MAPPING_START_EVENT: {
          const auto& start = event->data.mapping_start;
          Open(*event, TreeNode::kMap, start.style == YAML_FLOW_MAPPING_STYLE, start.anchor,
               start.tag);
          break;
        }
        case YAML_SEQUENCE_START_EVENT: {
          const auto& start = event->data.sequence_start;
          Open(*event, TreeNode::kSequence, start.style == YAML_FLOW_SEQUENCE_STYLE, start.anchor,
               start.tag);
          break;
        }
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT: Close(*event); break;
        case YAML_STREAM_END_EVENT:
          if (tree_.nodes.empty()) tree_.nodes.push_back({.null = true});
          return std::move(tree_);
        default: break;
      }
    }
  }

 private:
  struct OpenNode {
    TreeNode node;
    std::string anchor;
  };

  TreeNode Scalar(const yaml_event_t& event) {
    const auto& scalar = event.data.scalar;
    std::string_view value(reinterpret_cast<const char*>(scalar.value), scalar.length);
    Range range = events_.RangeOf(event);
    TreeNode node{.tagged = scalar.anchor != nullptr || scalar.tag != nullptr,
                  .begin = range.begin,
                  .end = range.end};
    switch (scalar.style) {
      case YAML_SINGLE_QUOTED_SCALAR_STYLE: node.style = TreeNode::kSingleQuoted; break;
      case YAML_DOUBLE_QUOTED_SCALAR_STYLE: node.style = TreeNode::kDoubleQuoted; break;
      case YAML_LITERAL_SCALAR_STYLE:
      case YAML_FOLDED_SCALAR_STYLE: node.style = TreeNode::kBlockScalar; break;
      default: break;
    }
    Tag tag = ReadTag(reinterpret_cast<const char*>(scalar.tag));
    std::optional<Value> resolved = tag == Tag::kNone && scalar.plain_implicit == 0
                                        ? Value::String(value)
                                        : Resolve(tag, value);
    node.null = resolved && resolved->IsNull();
    node.key = resolved ? KeyText(*resolved).value_or("") : std::string(value);
    if (node.style == TreeNode::kBlockScalar) {
      std::string_view spelled = text_.substr(range.begin, range.end - range.begin);
      std::string_view head = spelled.substr(0, std::min(spelled.find('\n'), spelled.find('#')));
      node.keeps = head.find('+') != std::string_view::npos;
      while (!node.keeps && node.end > node.begin && IsAsciiSpace(text_[node.end - 1])) --node.end;
    }
    if (scalar.anchor != nullptr) Name(scalar.anchor, static_cast<int32_t>(tree_.nodes.size()));
    return node;
  }

  TreeNode Alias(const yaml_event_t& event) {
    Range range = events_.RangeOf(event);
    // An anchor that is still open contains its alias: ParseYaml has refused that.
    auto found = names_.find(reinterpret_cast<const char*>(event.data.alias.anchor));
    if (found != names_.end()) tree_.nodes[static_cast<size_t>(found->second)].shared = true;
    return {.kind = TreeNode::kAlias, .begin = range.begin, .end = range.end};
  }

  void Open(const yaml_event_t& event, TreeNode::Kind kind, bool flow, const yaml_char_t* anchor,
            const yaml_char_t* tag) {
    OpenNode open;
    open.node.kind = kind;
    open.node.style = flow ? TreeNode::kFlow : TreeNode::kBlock;
    open.node.tagged = anchor != nullptr || tag != nullptr;
    open.node.begin = events_.Offset(event.start_mark);
    open.node.end = events_.Offset(event.end_mark);
    if (anchor != nullptr) open.anchor = reinterpret_cast<const char*>(anchor);
    open_.push_back(std::move(open));
  }

  void Close(const yaml_event_t& event) {
    OpenNode open = std::move(open_.back());
    open_.pop_back();
    TreeNode& node = open.node;
    if (node.style == TreeNode::kFlow) {
      node.end = events_.Offset(event.end_mark);
    } else if (!node.children.empty()) {
      node.end = tree_.at(node.children.back()).end;
      node.keeps = tree_.at(node.children.back()).keeps;
    }
    for (size_t i = 0; node.kind == TreeNode::kMap && i < node.children.size(); i += 2) {
      const TreeNode& key = tree_.at(node.children[i]);
      node.merges = node.merges || (key.key == "<<" && key.style == TreeNode::kPlain);
    }
    if (!open.anchor.empty()) names_[open.anchor] = static_cast<int32_t>(tree_.nodes.size());
    Complete(std::move(node));
  }

  void Complete(TreeNode node) {
    tree_.nodes.push_back(std::move(node));
    if (!open_.empty()) {
      open_.back().node.children.push_back(static_cast<int32_t>(tree_.nodes.size() - 1));
    }
  }

  void Name(const yaml_char_t* anchor, int32_t node) {
    names_[reinterpret_cast<const char*>(anchor)] = node;
  }

  std::string_view text_;
  const YamlOptions& options_;
  Events events_;
  Tree tree_;
  std::vector<OpenNode> open_;
  std::unordered_map<std::string, int32_t> names_;
};

}  // namespace

Result<Tree> ReadTree(std::string_view text, const YamlOptions& options) {
  return Reader(text, options).Read();
}

}  // namespace bulwark::yaml
