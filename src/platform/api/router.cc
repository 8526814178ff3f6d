#include "platform/api/router.h"

#include "base/text.h"

namespace bulwark::api {

struct Router::Node {
  struct End {
    size_t route;
    std::vector<std::string> names;  // of the parameters, in their order
  };
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literal;
  std::unique_ptr<Node> one, rest;
  std::map<std::string, End, std::less<>> ends;  // by method
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

bool Router::Add(std::string_view method, std::string_view path, size_t route) {
  if (!path.starts_with('/')) return false;
  Node* node = root_.get();
  std::vector<std::string> names;
  bool rest = false;
  if (path != "/") {
    for (std::string_view segment : Split(path.substr(1), '/')) {
      if (rest) return false;
      if (segment.starts_with('{') && segment.ends_with("...}")) {
        names.emplace_back(segment.substr(1, segment.size() - 5));
        rest = true;
        if (!node->rest) node->rest = std::make_unique<Node>();
        node = node->rest.get();
      } else if (segment.starts_with('{') && segment.ends_with('}')) {
        names.emplace_back(segment.substr(1, segment.size() - 2));
        if (!node->one) node->one = std::make_unique<Node>();
        node = node->one.get();
      } else {
        auto& next = node->literal[std::string(segment)];
        if (!next) next = std::make_unique<Node>();
        node = next.get();
      }
    }
  }
  return node->ends.try_emplace(std::string(method), Node::End{route, std::move(names)}).second;
}

std::optional<Router::Match> Router::Find(std::string_view method,
                                          const std::vector<std::string>& segments) const {
  std::vector<std::string> values;
  const Node* found = nullptr;
  // Depth is that of the templates: bounded by the routes, not by the request.
  auto walk = [&](auto&& self, const Node& node, size_t at) -> bool {
    if (at == segments.size()) {
      if (node.ends.empty()) return false;
      found = &node;
      return true;
    }
    if (auto next = node.literal.find(segments[at]); next != node.literal.end()) {
      if (self(self, *next->second, at + 1)) return true;
    }
    if (node.one && !segments[at].empty()) {
      values.push_back(segments[at]);
      if (self(self, *node.one, at + 1)) return true;
      values.pop_back();
    }
    if (node.rest) {
      std::string rest;
      for (size_t i = at; i < segments.size(); ++i) rest += (i == at ? "" : "/") + segments[i];
      values.push_back(std::move(rest));
      found = node.rest.get();
      return true;
    }
    return false;
  };
  if (!walk(walk, *root_, 0)) return std::nullopt;
  Match out;
  for (const auto& [name, end] : found->ends) out.methods.push_back(name);
  auto end = found->ends.find(method);
  if (end == found->ends.end() && method == "HEAD") end = found->ends.find(std::string_view("GET"));
  if (end == found->ends.end()) return out;
  out.route = end->second.route;
  for (size_t i = 0; i < values.size(); ++i) {
    out.parameters.emplace(end->second.names[i], std::move(values[i]));
  }
  return out;
}

}  // namespace bulwark::api
