#pragma once

// Peers that the tests of log-in providers start: a CA with a server's certificate, programs that
// end with the test, free ports.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/time.h"
#include "crypto/keys.h"
#include "crypto/x509.h"

namespace bulwark::test {

// A CA, and a certificate of 127.0.0.1 and localhost by it.
struct TestCa {
  crypto::PrivateKey ca_key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  crypto::Certificate ca = crypto::SelfSigned(ca_key, Spec("Test CA", true)).value();
  crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  crypto::Certificate leaf =
      crypto::Issue(ca, ca_key, key.Public(), Spec("localhost", false)).value();

  static crypto::CertificateSpec Spec(std::string name, bool is_ca) {
    Timestamp now = Now();
    now.nanos = 0;
    return {.subject = {.common_name = std::move(name), .organizations = {}},
            .names = {.dns = {"localhost"}, .ips = {"127.0.0.1"}, .uris = {}, .emails = {}},
            .not_before = now - std::chrono::hours(1),
            .not_after = now + std::chrono::hours(24),
            .ca = is_ca,
            .server = !is_ca};
  }
};

// A program with pipes to its input and from its output; killed and reaped at the end.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments) {
    int in[2], out[2];
    BW_CHECK(::pipe2(in, O_CLOEXEC) == 0 && ::pipe2(out, O_CLOEXEC) == 0);
    std::vector<char*> argv;
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    BW_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }
  Program(const Program&) = delete;
  ~Program() {
    ::close(in_);
    ::close(out_);
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  // "" where the program ended, or said nothing for a minute.
  std::string Line() {
    for (;;) {
      if (size_t end = text_.find('\n'); end != std::string::npos) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return line;
      }
      pollfd wait{.fd = out_, .events = POLLIN, .revents = 0};
      char buffer[4096];
      if (::poll(&wait, 1, 60'000) <= 0) return {};
      ssize_t n = ::read(out_, buffer, sizeof(buffer));
      if (n <= 0) return {};
      text_.append(buffer, static_cast<size_t>(n));
    }
  }
  void Say(std::string line) {
    line += '\n';
    BW_CHECK(::write(in_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  }
  bool running() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }

 private:
  int pid_ = -1, in_ = -1, out_ = -1;
  std::string text_;
};

inline sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// One that nobody listens on at the moment.
inline int FreePort() {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  BW_CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
           ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

// Somebody listens there, within a minute.
inline bool WaitForPort(int port, const Program& program) {
  for (int i = 0; i < 600 && program.running(); ++i) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(port);
    bool up = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    ::close(fd);
    if (up) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

}  // namespace bulwark::test
