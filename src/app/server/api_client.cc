#include "app/server/api_client.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"

namespace bulwark {

namespace {

constexpr size_t kMaxSmallFile = 1 << 20;

}  // namespace

void AddAddressOptions(CLI::App& command, ApiAddress& address) {
  command.add_option("--server", address.server, "The server's address, https://host:port");
  command.add_option("--token-file", address.token_file, "A file with an API token");
  command.add_option("--ca", address.ca_file, "The CA that signed the server's certificate (PEM)");
  command.add_option("--data", address.data_folder, "The data folder of `bulwark up`");
}

std::string DefaultDataFolder(const Env& env) {
  if (::geteuid() == 0) return "/var/lib/bulwark";
  if (auto data = env.variable("XDG_DATA_HOME"); data && !data->empty()) return *data + "/bulwark";
  return env.variable("HOME").value_or(".") + "/.local/share/bulwark";
}

Result<ApiClient> ApiClient::Make(const ApiAddress& address, const Env& env) {
  ApiClient client;
  std::string ca_file = address.ca_file;
  client.server_ = address.server;
  if (client.server_.empty() && address.data_folder.empty()) {
    client.server_ = env.variable("BULWARK_SERVER").value_or("");
    client.token_ = env.variable("BULWARK_TOKEN").value_or("");
    if (ca_file.empty()) ca_file = env.variable("BULWARK_CA").value_or("");
  }
  net::HttpOptions http;
  if (client.server_.empty()) {
    std::string folder = address.data_folder.empty() ? DefaultDataFolder(env) : address.data_folder;
    auto text = ReadFile(folder + "/client.json", kMaxSmallFile);
    if (!text) {
      return Error(Code::kInvalid, "client.server",
                   fmt::format("no server: give --server and --token-file, set BULWARK_SERVER and "
                               "BULWARK_TOKEN, or run `bulwark up` (there is no {}/client.json)",
                               folder));
    }
    Arena arena;
    Value file = BW_TRY(ParseJson(*text, arena));
    client.server_ = file.StringAt("server");
    client.token_ = file.StringAt("token");
    if (ca_file.empty()) http.tls.ca_pem = file.StringAt("ca");
  }
  if (!address.token_file.empty()) {
    client.token_ = Trim(BW_TRY(ReadFile(address.token_file, kMaxSmallFile)));
  }
  if (client.token_.empty()) {
    return Error(Code::kInvalid, "client.token",
                 "no API token: give --token-file, or set BULWARK_TOKEN");
  }
  while (client.server_.ends_with('/')) client.server_.pop_back();
  if (!client.server_.starts_with("https://")) {
    return Error(Code::kInvalid, "client.server",
                 "the server's address must begin with https://: a token goes there");
  }
  http.tls.ca_file = ca_file;
  client.language_ = env.language == Language::kChinese ? "zh-CN" : "en";
  client.http_ = std::make_shared<const net::HttpClient>(std::move(http));
  return client;
}

Result<std::string> ApiClient::Send(net::HttpRequest request) const {
  request.headers.emplace_back("Authorization", "Bearer " + token_);
  request.headers.emplace_back("Accept-Language", language_);
  net::HttpResponse answer = BW_TRY(http_->Send(std::move(request)));
  if (answer.status >= 200 && answer.status < 300) return std::move(answer.body);
  Arena arena;
  auto problem = ParseJson(answer.body, arena);
  std::string text = fmt::format("the server answered {}", answer.status);
  if (problem && problem->IsMap()) {
    std::string_view title = problem->StringAt("title"), detail = problem->StringAt("detail");
    text = detail.empty() ? title : detail;
    Value errors = (*problem)["errors"];
    for (const Value& error : errors.items()) {
      text += fmt::format("\n  {}: {}", error.StringAt("path"), error.StringAt("message"));
    }
    if (std::string_view id = problem->StringAt("requestId"); !id.empty())
      text += fmt::format(" (request {})", id);
  }
  Code code = answer.status == 401 || answer.status == 403 ? Code::kDenied
              : answer.status == 404                       ? Code::kNotFound
              : answer.status >= 500                       ? Code::kUnavailable
                                                           : Code::kInvalid;
  return Error(code, "client.problem", text);
}

Result<std::string> ApiClient::Fetch(const std::string& path) const {
  return Send({.url = server_ + path, .total_timeout = std::chrono::minutes(10)});
}

Result<Value> ApiClient::Get(const std::string& path, Arena& arena) const {
  std::string body = BW_TRY(Fetch(path));
  return ParseJson(arena.Copy(body), arena, {.borrow_text = true});
}

Result<Value> ApiClient::Post(const std::string& path, std::string body, Arena& arena) const {
  net::HttpRequest request{.method = "POST", .url = server_ + path, .body = std::move(body)};
  request.headers.emplace_back("Content-Type", "application/json");
  std::string answer = BW_TRY(Send(std::move(request)));
  if (answer.empty()) return Value();
  return ParseJson(arena.Copy(answer), arena, {.borrow_text = true});
}

std::string QueryString(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, net::UrlEscape(value));
  }
  return out;
}

Result<> WriteClientFile(const std::string& data_folder, const std::string& server,
                         const std::string& token, const std::string& ca_file) {
  Arena arena;
  std::string ca = BW_TRY(ReadFile(ca_file, kMaxSmallFile));
  std::string text = ToJson(MapBuilder(arena)
                                .Add("server", Value::String(server))
                                .Add("token", Value::String(token))
                                .Add("ca", Value::String(ca))
                                .Finish(),
                            {.indent = 2});
  return WriteFileAtomic(data_folder + "/client.json", text + "\n", 0600);
}

}  // namespace bulwark
