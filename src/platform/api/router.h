#pragma once

// Finds the route of a method and path. A path's template has literal segments, "{name}" (one
// segment) and, last, "{name...}" (one or more, joined with '/'). Literal segments win over
// parameters, one segment over several. Filled first, then read from any thread.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulwark::api {

class Router {
 public:
  Router();
  ~Router();
  // False if that method and path (whatever the parameters' names) is taken, or the path malformed.
  bool Add(std::string_view method, std::string_view path, size_t route);

  struct Match {
    std::optional<size_t> route;       // absent: the path is known, the method is not
    std::vector<std::string> methods;  // that the path has
    std::map<std::string, std::string, std::less<>> parameters;
  };
  // Segments as net::ServerRequest has them. Nothing where no route has such a path. HEAD is
  // served by GET.
  std::optional<Match> Find(std::string_view method,
                            const std::vector<std::string>& segments) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

}  // namespace bulwark::api
