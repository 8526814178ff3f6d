// The server of bench/http/run.sh: one small body, the same that nginx serves beside it. Serves
// until its stdin ends.

#include <unistd.h>

#include <cstdio>
#include <string>

#include "net/http_server.h"

int main(int argc, char** argv) {
  using namespace bulwark::net;
  std::string body(1024, 'x');
  HttpServerOptions options;
  options.listen = {argc > 1 ? argv[1] : "127.0.0.1:0"};
  options.limits.max_requests_per_connection = 1'000'000'000;
  options.max_queue = 4096;
  auto server = HttpServer::Start(std::move(options), [&](const ServerRequest&) -> ServerResponse {
    return {.headers = {{"Content-Type", "text/plain"}}, .body = body};
  });
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", (*server)->addresses()[0].c_str());
  std::fflush(stdout);
  char c;
  while (::read(STDIN_FILENO, &c, 1) > 0) {
  }
  return 0;
}
