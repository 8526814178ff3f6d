#pragma once

// For tests: a small HTTP/1.1 server on a loopback port, over plain sockets, whose answers a
// function gives. A thread a connection; all end with the object.
//
//   TestServer server([](const TestServer::Request& request, TestServer::Reply& reply) {
//     reply.Send(200, R"({"kind":"PodList"})");
//   });
//   client.Send({.url = server.url() + "/api/v1/pods"});

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/text.h"

namespace bulwark::net {

class TestServer {
 public:
  struct Request {
    std::string method, target;                  // "/api/v1/pods?limit=500"
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    std::string path() const { return target.substr(0, target.find('?')); }
    // A query parameter, %XX undone; "" where it is not there.
    std::string Query(std::string_view name) const {
      auto parts = Cut(target, "?");
      if (!parts) return {};
      for (std::string_view pair : Split(parts->second, '&')) {
        auto kv = Cut(pair, "=");
        if (!kv || kv->first != name) continue;
        std::string out;
        for (size_t i = 0; i < kv->second.size(); ++i) {
          if (kv->second[i] == '%' && i + 2 < kv->second.size()) {
            out +=
                static_cast<char>(std::stoi(std::string(kv->second.substr(i + 1, 2)), nullptr, 16));
            i += 2;
          } else {
            out += kv->second[i];
          }
        }
        return out;
      }
      return {};
    }
  };

  // Headers are lines "Name: value".
  class Reply {
   public:
    void Send(int status, std::string_view body, std::vector<std::string> headers = {}) {
      headers.push_back(fmt::format("Content-Length: {}", body.size()));
      Head(status, headers);
      Write(body);
    }
    // A body in pieces: Begin(), Chunk()…; it ends when the handler returns.
    void Begin(int status, std::vector<std::string> headers = {}) {
      headers.push_back("Transfer-Encoding: chunked");
      Head(status, headers);
      chunked_ = true;
    }
    // False once the client has gone or the server stops.
    bool Chunk(std::string_view text) {
      return Write(fmt::format("{:x}\r\n{}\r\n", text.size(), text));
    }
    bool open() const { return !stopping_ && !broken_ && !PeerGone(); }
    // Waits a while, in steps, for as long as open().
    void Sleep(std::chrono::milliseconds time) const {
      auto until = std::chrono::steady_clock::now() + time;
      while (open() && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
    // Closes the connection without a proper end.
    void Break() { broken_ = true; }

   private:
    friend class TestServer;
    Reply(int fd, const std::atomic<bool>& stopping) : fd_(fd), stopping_(stopping) {}
    void Head(int status, const std::vector<std::string>& headers) {
      std::string head = fmt::format("HTTP/1.1 {} x\r\n", status);
      bool typed = false;
      for (const std::string& h : headers) {
        typed = typed || h.starts_with("Content-Type");
        head += h + "\r\n";
      }
      if (!typed) head += "Content-Type: application/json\r\n";
      Write(head + "\r\n");
    }
    bool Write(std::string_view text) {
      while (!text.empty() && !broken_) {
        ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        if (n <= 0) broken_ = true;
        if (n > 0) text.remove_prefix(static_cast<size_t>(n));
      }
      return !broken_;
    }
    bool PeerGone() const {
      char c;
      return ::recv(fd_, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    }
    int fd_;
    const std::atomic<bool>& stopping_;
    bool chunked_ = false, broken_ = false;
  };

  using Handler = std::function<void(const Request&, Reply&)>;

  explicit TestServer(Handler handler) : handler_(std::move(handler)) {
    listen_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BW_CHECK(::bind(listen_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    BW_CHECK(::listen(listen_, 64) == 0);
    socklen_t size = sizeof(address);
    ::getsockname(listen_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  TestServer(const TestServer&) = delete;
  ~TestServer() {
    stopping_ = true;
    ::shutdown(listen_, SHUT_RDWR);
    acceptor_.join();
    ::close(listen_);
    {
      std::lock_guard lock(mutex_);
      for (int fd : fds_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& t : threads_) t.join();
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  int port() const { return port_; }
  int connections() const { return connections_; }
  // "GET /path?query" of everything that was asked, in order.
  std::vector<std::string> Log() const {
    std::lock_guard lock(mutex_);
    return log_;
  }

 private:
  void Accept() {
    for (;;) {
      int fd = ::accept4(listen_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      int one = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      ++connections_;
      std::lock_guard lock(mutex_);
      fds_.push_back(fd);
      threads_.emplace_back([this, fd] {
        Serve(fd);
        std::lock_guard inner(mutex_);
        std::erase(fds_, fd);
        ::close(fd);
      });
    }
  }

  void Serve(int fd) {
    std::string in;
    auto more = [&] {
      char buffer[4096];
      ssize_t n = ::recv(fd, buffer, sizeof(buffer), 0);
      if (n > 0) in.append(buffer, static_cast<size_t>(n));
      return n > 0;
    };
    while (!stopping_) {
      size_t end;
      while ((end = in.find("\r\n\r\n")) == std::string::npos) {
        if (!more()) return;
      }
      Request request;
      auto lines = SplitLines(std::string_view(in).substr(0, end));
      auto words = SplitWords(lines[0]);
      request.method = words[0];
      request.target = words[1];
      for (size_t i = 1; i < lines.size(); ++i) {
        if (auto h = Cut(lines[i], ":"))
          request.headers[AsciiLower(h->first)] = std::string(Trim(h->second));
      }
      size_t length = request.headers.contains("content-length")
                          ? std::stoul(request.headers["content-length"])
                          : 0;
      while (in.size() < end + 4 + length) {
        if (!more()) return;
      }
      request.body = in.substr(end + 4, length);
      in.erase(0, end + 4 + length);
      {
        std::lock_guard lock(mutex_);
        log_.push_back(request.method + " " + request.target);
      }
      Reply reply(fd, stopping_);
      handler_(request, reply);
      if (reply.broken_) {
        ::shutdown(fd, SHUT_RDWR);
        return;
      }
      if (reply.chunked_) reply.Write("0\r\n\r\n");
    }
  }

  Handler handler_;
  int listen_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<int> fds_;
  std::vector<std::thread> threads_;
  std::vector<std::string> log_;
  std::thread acceptor_;
};

}  // namespace bulwark::net
