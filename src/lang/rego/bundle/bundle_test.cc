#include "lang/rego/bundle/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/files.h"
#include "crypto/keys.h"
#include "formats/json.h"
#include "lang/rego/bundle/archive.h"
#include "lang/rego/bundle/loader.h"

namespace bulwark::rego {
namespace {

using ::testing::HasSubstr;

// A folder with these files in it.
class Folder {
 public:
  using Files = std::vector<std::pair<std::string, std::string>>;
  explicit Folder(const Files& files) : dir_(TempDir::Make().value()) {
    for (const auto& [name, text] : files) Add(name, text);
  }
  void Add(const std::string& name, const std::string& text) {
    std::filesystem::path path = dir_.File(name);
    std::filesystem::create_directories(path.parent_path());
    EXPECT_TRUE(WriteFileAtomic(path.string(), text, 0600));
  }
  const std::string& path() const { return dir_.path(); }
  std::string File(std::string_view name) const { return dir_.File(name); }

 private:
  TempDir dir_;
};

std::string Sorted(const Value& value) { return ToJson(value, {.sort_keys = true}); }

TEST(DataTreeTest, MergesMapsAndRefusesTheRest) {
  Arena arena;
  auto parse = [&](std::string_view text) { return ParseJson(text, arena).value(); };
  DataTree tree;
  EXPECT_TRUE(tree.empty());
  EXPECT_TRUE(tree.Insert({}, parse(R"({"a": {"b": 1}})")));
  EXPECT_TRUE(tree.Insert({"a", "c"}, parse("[1]")));
  EXPECT_TRUE(tree.Insert({"x", "y"}, parse(R"({"z": 1})")));
  EXPECT_TRUE(tree.Insert({}, parse(R"({"a": {"d": {}}, "x": {"y": {"w": 2}}})")));
  std::vector<std::string> conflict;
  EXPECT_FALSE(tree.Insert({}, parse(R"({"q": 1, "a": {"c": {"e": 1}}})"), &conflict));
  EXPECT_EQ(conflict, (std::vector<std::string>{"a", "c"}));
  EXPECT_FALSE(tree.Insert({"a", "b", "deep"}, parse("1"), &conflict));
  EXPECT_EQ(conflict, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(tree.Insert({"a"}, parse("1")));
  EXPECT_EQ(Sorted(tree.Finish(arena)), R"({"a":{"b":1,"c":[1],"d":{}},"x":{"y":{"w":2,"z":1}}})");
  EXPECT_TRUE(tree.Has({"a", "b"}));
  EXPECT_TRUE(tree.Has({"a", "b", "below a number"}));
  EXPECT_TRUE(tree.Has({"x", "y", "z"}));
  EXPECT_FALSE(tree.Has({"x", "y", "nothing"}));
  EXPECT_FALSE(tree.Has({"nothing"}));
}

TEST(LoaderTest, PutsDocumentsWhereTheirFoldersSay) {
  Folder folder({{"top.json", R"({"top": 1})"},
                 {"a/x.yaml", "x: 1\n---\nsecond: document\n"},
                 {"a/b/y.json", R"({"y": [1, 2]})"},
                 {"a/b/p.rego", "package p\n"},
                 {".hidden/h.json", R"({"h": 1})"},
                 {"notes.txt", "not data"},
                 {"list/data.json", "[1]"}});
  auto loaded = LoadPaths({folder.path()}, {});
  ASSERT_TRUE(loaded) << loaded.error().ToString();
  EXPECT_EQ(Sorted(loaded->documents),
            R"({".hidden":{"h":1},"a":{"b":{"y":[1,2]},"x":1},"list":[1],"top":1})");
  ASSERT_EQ(loaded->modules.size(), 1u);
  EXPECT_EQ(loaded->modules[0]->file, folder.File("a/b/p.rego"));

  LoadOptions ignoring;
  ignoring.ignore = {".*", "b", "*.txt"};
  auto less = LoadPaths({folder.path()}, ignoring);
  ASSERT_TRUE(less);
  EXPECT_EQ(Sorted(less->documents), R"({"a":{"x":1},"list":[1],"top":1})");

  auto prefixed = LoadPaths({"lib.deep:" + folder.File("top.json")}, {});
  ASSERT_TRUE(prefixed);
  EXPECT_EQ(Sorted(prefixed->documents), R"({"lib":{"deep":{"top":1}}})");
}

TEST(LoaderTest, SaysEverythingThatIsWrong) {
  Folder folder({{"1.json", R"({"a": {"b": 1}})"},
                 {"2.json", R"({"a": {"b": 2}})"},
                 {"3.json", "[1]"},
                 {"4.json", "{"},
                 {"5.rego", "package p\np if {"},
                 {"6.yaml", "a: b: c"}});
  std::vector<Problem> problems;
  auto loaded = LoadPaths({folder.path(), folder.File("none")}, {}, &problems);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(problems.size(), 6u);
  std::string text = loaded.error().message();
  EXPECT_THAT(text, HasSubstr("6 errors occurred during loading:\n"));
  EXPECT_THAT(text, HasSubstr("2.json: merge error: conflicting values at data.a.b, also defined "
                              "in " +
                              folder.File("1.json")));
  EXPECT_THAT(text, HasSubstr("3.json: document must be of type object"));
  EXPECT_THAT(text, HasSubstr("4.json: "));
  EXPECT_THAT(text, HasSubstr("5.rego:2: rego_parse_error"));
  EXPECT_THAT(text, HasSubstr("6.yaml: error converting YAML to JSON: "));
  EXPECT_THAT(text, HasSubstr("stat " + folder.File("none") + ": no such file or directory"));
}

TEST(LoaderTest, AFileThatWasNamedMayBeAnything) {
  Folder folder({{"policy", "package p\n"}, {"data", "x: 1"}, {"junk", "a: b: c"}});
  auto loaded = LoadPaths({folder.File("policy"), folder.File("data"), folder.File("data")}, {});
  ASSERT_TRUE(loaded) << loaded.error().ToString();
  EXPECT_EQ(loaded->modules.size(), 1u);
  EXPECT_EQ(Sorted(loaded->documents), R"({"x":1})");
  EXPECT_THAT(LoadPaths({folder.File("junk")}, {}).error().message(),
              HasSubstr("can't recognize file type"));
}

TEST(LoaderTest, ReadsSchemasByPath) {
  Folder folder({{"input.json", R"({"type": "object"})"}, {"a/b.yaml", "type: string"}});
  Arena arena;
  auto schemas = LoadSchemas(folder.path(), arena);
  ASSERT_TRUE(schemas);
  ASSERT_EQ(schemas->size(), 2u);
  EXPECT_EQ((*schemas)[0].first, "schema.a.b");
  EXPECT_EQ((*schemas)[1].first, "schema.input");
  EXPECT_EQ(LoadSchemas(folder.File("input.json"), arena)->front().first, "schema");
}

TEST(LoaderTest, SplitsPrefixes) {
  EXPECT_EQ(SplitPrefix("a.b:c/d").first, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(SplitPrefix("a.b:c/d").second, "c/d");
  EXPECT_EQ(SplitPrefix("file:///x").second, "file:///x");
  EXPECT_EQ(SplitPrefix(":x").second, ":x");
}

const std::vector<std::pair<std::string, std::string>> kFiles = {
    {".manifest",
     R"({"revision": "r1", "roots": ["app", "roles"], "rego_version": 1,
         "file_rego_versions": {"/old*": 0}, "metadata": {"by": "us"}})"},
    {"roles/data.json", R"({"ann": ["admin"]})"},
    {"app/limits/data.yaml", "max: 1.50\n"},
    {"app/other.json", R"({"not": "data"})"},
    {"app.rego", "package app.rules\nallow if data.roles[input.user]\n"},
    {"old.rego", "package app.old\np[x] { x := 1 }\n"}};

TEST(BundleTest, ReadsAFolderAndItsArchiveAlike) {
  Folder folder(kFiles);
  auto bundle = LoadBundle(folder.path(), {});
  ASSERT_TRUE(bundle) << bundle.error().ToString();
  EXPECT_EQ(bundle->manifest.revision, "r1");
  EXPECT_EQ(Sorted(bundle->data), R"({"app":{"limits":{"max":1.5}},"roles":{"ann":["admin"]}})");
  ASSERT_EQ(bundle->modules.size(), 2u);
  EXPECT_EQ(bundle->modules[0].path, folder.File("app.rego"));
  EXPECT_EQ(bundle->modules[0].relative, "/app.rego");
  EXPECT_EQ(bundle->modules[1].parsed->base_dialect, Dialect::kV0);

  auto bytes = WriteBundle(*bundle, /*by_path=*/false);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(*bytes, *WriteBundle(*bundle, false));
  BundleOptions options;
  options.manifest_in_data = true;
  // Its dialects are by path, which begins with the folder's now.
  options.parse.dialect = Dialect::kV1;
  auto files = ReadTarGz(*bytes, {1 << 20, 1 << 20, 100});
  ASSERT_TRUE(files);
  std::vector<std::string> names;
  for (const auto& file : *files) names.push_back(file.path);
  EXPECT_EQ(names, (std::vector<std::string>{"/data.json", bundle->modules[0].url,
                                             bundle->modules[1].url, "/.manifest"}));
}

TEST(BundleTest, AnArchiveIsABundle) {
  std::vector<ArchiveFile> files;
  for (const auto& [name, text] : kFiles) files.push_back({"/" + name, text});
  BundleOptions options;
  options.manifest_in_data = true;
  auto bundle = ReadBundle(*WriteTarGz(files), "x.tar.gz", options);
  ASSERT_TRUE(bundle) << bundle.error().ToString();
  EXPECT_EQ(bundle->modules[0].url, "x.tar.gz/app.rego");
  EXPECT_EQ(bundle->modules[0].path, "/app.rego");
  EXPECT_EQ(bundle->data["system"]["bundle"]["manifest"]["revision"].AsString(), "r1");
}

TEST(BundleTest, RootsBindPoliciesAndData) {
  auto with = [](const std::string& manifest, const std::string& path, const std::string& text) {
    auto bundle = ReadBundle(*WriteTarGz({{"/.manifest", manifest}, {path, text}}), "b", {});
    return bundle ? "" : bundle.error().message();
  };
  EXPECT_EQ(with(R"({"roots": ["a/b"]})", "/a/b/data.json", "{}"), "");
  EXPECT_THAT(with(R"({"roots": ["a", "a/b"]})", "/a/data.json", "{}"),
              HasSubstr("manifest has overlapped roots: 'a' and 'a/b'"));
  EXPECT_THAT(with(R"({"roots": ["a/b"]})", "/a/c/data.json", "{}"),
              HasSubstr("manifest roots [a/b] do not permit data at path '/a/c'"));
  EXPECT_THAT(with(R"({"roots": ["a/b"]})", "/p.rego", "package a\n"),
              HasSubstr("manifest roots [a/b] do not permit 'package a' in module '/p.rego'"));
  EXPECT_THAT(with(R"({"roots": ["ab"]})", "/p.rego", "package a\n"), HasSubstr("do not permit"));
  EXPECT_THAT(with(R"({"rego_version": 7})", "/data.json", "{}"),
              HasSubstr("manifest has unknown rego-version 7"));
  EXPECT_THAT(with(R"({"roots": "a"})", "/data.json", "{}"), HasSubstr("manifest decode"));
  EXPECT_THAT(with("{", "/data.json", "{}"), HasSubstr("manifest decode"));
  EXPECT_THAT(with("{}", "/data.json", "[]"), HasSubstr("root value must be object"));
  EXPECT_THAT(with("{}", "/patch.json", "{}"), HasSubstr("delta bundles"));
  EXPECT_THAT(with("{}", "/p.rego", "package"), HasSubstr("rego_parse_error"));
}

TEST(BundleTest, BundlesTogetherMayNotOwnTheSame) {
  auto with = [](std::string name, std::vector<std::string> roots) {
    Bundle bundle;
    bundle.name = std::move(name);
    bundle.manifest.roots = std::move(roots);
    return bundle;
  };
  Bundle a = with("a", {"x", "y/z"}), b = with("b", {"y"}), c = with("c", {"yy"}),
         all = with("all", {""});
  EXPECT_TRUE(CheckRoots({&a, &c}));
  EXPECT_THAT(CheckRoots({&a, &b}).error().message(),
              HasSubstr("detected overlapping roots in manifests for these bundles: [a, b] (y "
                        "overlaps y/z)"));
  EXPECT_THAT(CheckRoots({&a, &all}).error().message(), HasSubstr("empty root paths"));
}

struct SignatureCase {
  std::string algorithm, secret, verify;
};

TEST(SignatureTest, EveryAlgorithmSignsAndVerifies) {
  auto rsa = crypto::PrivateKey::Generate(crypto::KeyType::kRsa, 2048);
  auto p256 = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  auto p384 = crypto::PrivateKey::Generate(crypto::KeyType::kEcP384);
  auto p521 = crypto::PrivateKey::Generate(crypto::KeyType::kEcP521);
  auto ed = crypto::PrivateKey::Generate(crypto::KeyType::kEd25519);
  std::vector<SignatureCase> cases = {{"HS256", "secret", "secret"}, {"HS512", "secret", "secret"}};
  for (const char* name : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}) {
    cases.push_back({name, rsa.ToPem(), rsa.Public().ToPem()});
  }
  cases.push_back({"ES256", p256.ToPem(), p256.Public().ToPem()});
  cases.push_back({"ES384", p384.ToPem(), p384.Public().ToPem()});
  cases.push_back({"ES512", p521.ToPem(), p521.Public().ToPem()});
  cases.push_back({"EdDSA", ed.ToPem(), ed.Public().ToPem()});
  for (const SignatureCase& c : cases) {
    SCOPED_TRACE(c.algorithm);
    std::vector<ArchiveFile> files;
    for (const auto& [name, text] : kFiles) {
      if (name != "app/other.json" && name != "app/limits/data.yaml") {
        files.push_back({"/" + name, text});
      }
    }
    BundleOptions unsigned_options;
    auto bundle = ReadBundle(*WriteTarGz(files), "", unsigned_options);
    ASSERT_TRUE(bundle) << bundle.error().ToString();
    auto token = SignBundle(
        *bundle, {.key = c.secret, .algorithm = c.algorithm, .key_id = "default", .claims = {}},
        true);
    ASSERT_TRUE(token) << token.error().ToString();
    bundle->signatures = {*token};
    std::string bytes = *WriteBundle(*bundle, true);
    EXPECT_THAT(ReadBundle(bytes, "b", {}).error().message(),
                HasSubstr("verification key not provided"));
    BundleOptions options;
    options.verify.emplace();
    options.verify->keys["default"] = {c.verify, c.algorithm, ""};
    auto again = ReadBundle(bytes, "b", options);
    ASSERT_TRUE(again) << again.error().ToString();
    EXPECT_EQ(Sorted(again->data), Sorted(bundle->data));

    // What was changed, added, or left out is seen.
    auto unpacked = ReadTarGz(bytes, {1 << 20, 1 << 20, 100}).value();
    auto changed = unpacked;
    for (auto& file : changed) {
      if (file.path == "/app.rego") file.bytes += "\n";
    }
    EXPECT_THAT(ReadBundle(*WriteTarGz(changed), "b", options).error().message(),
                HasSubstr("app.rego: digest mismatch"));
    auto added = unpacked;
    added.push_back({"/more.rego", "package app.more\n"});
    EXPECT_THAT(ReadBundle(*WriteTarGz(added), "b", options).error().message(),
                HasSubstr("file more.rego not included in bundle signature"));
    auto removed = unpacked;
    std::erase_if(removed, [](const auto& file) { return file.path == "/app.rego"; });
    EXPECT_THAT(ReadBundle(*WriteTarGz(removed), "b", options).error().message(),
                HasSubstr("file(s) [app.rego] specified in bundle signatures but not found"));
    // Another key, another scope.
    options.verify->keys["default"].scope = "write";
    EXPECT_EQ(ReadBundle(bytes, "b", options).error().message(), "scope mismatch");
    options.verify->keys["default"].key = "other";
    options.verify->keys["default"].algorithm = "HS384";
    EXPECT_THAT(ReadBundle(bytes, "b", options).error().message(),
                HasSubstr("failed to verify JWT signature"));
    options.verify->key_id = "unknown";
    EXPECT_THAT(ReadBundle(bytes, "b", options).error().message(), HasSubstr("unknown not found"));
  }
}

TEST(SignatureTest, RequiredMeansRequired) {
  BundleOptions options;
  options.verify.emplace();
  std::string bytes = *WriteTarGz({{"/data.json", "{}"}});
  EXPECT_EQ(ReadBundle(bytes, "b", options).error().message(),
            "bundle missing .signatures.json file");
  options.skip_verify = true;
  EXPECT_TRUE(ReadBundle(bytes, "b", options));
}

// Data is hashed by what it means, other files by their bytes: hashes that OPA computes.
TEST(SignatureTest, HashesAreOpas) {
  auto hash = [](std::string_view name, std::string_view text) {
    auto result = HashOfFile(name, text, "SHA-256");
    return result ? *result : result.error().ToString();
  };
  EXPECT_EQ(hash("data.json", "{ \"b\": [1.0, 2],\n \"a\": \"<\\u00e9>\" }"),
            hash("x/data.json", "{\"a\":\"<é>\",\"b\":[1.0,2]}"));
  EXPECT_NE(hash("data.json", "{\"a\": 1.0}"), hash("data.json", "{\"a\": 1}"));
  EXPECT_EQ(hash("data.json", "{}"),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  EXPECT_EQ(hash("policy.rego", ""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HashOfFile("x", "", "MD5").value(), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_FALSE(HashOfFile("x", "", "CRC"));
  EXPECT_FALSE(HashOfFile("data.json", "{", "SHA-256"));
}

TEST(ArchiveTest, HostileArchivesEnd) {
  std::vector<ArchiveFile> big = {{"/data.json", std::string(1 << 20, ' ')}};
  std::string bytes = *WriteTarGz(big);
  EXPECT_LT(bytes.size(), 10'000u);
  EXPECT_EQ(ReadTarGz(bytes, {1000, 1 << 30, 10}).error().code(), Code::kLimit);
  EXPECT_EQ(ReadTarGz(bytes, {1 << 30, 1000, 10}).error().code(), Code::kLimit);
  std::vector<ArchiveFile> many(20, {"/x", ""});
  EXPECT_EQ(ReadTarGz(*WriteTarGz(many), {1000, 1000, 10}).error().code(), Code::kLimit);
  EXPECT_THAT(ReadTarGz(*WriteTarGz({{"/a/../../etc/data.json", "{}"}}), {1000, 1000, 10})
                  .error()
                  .message(),
              HasSubstr("leads out of it"));
  EXPECT_FALSE(ReadTarGz("", {1000, 1000, 10}));
  EXPECT_FALSE(ReadTarGz("plain text", {1000, 1000, 10}));
  EXPECT_FALSE(ReadTarGz(bytes.substr(0, bytes.size() / 2), {1 << 30, 1 << 30, 10}));
}

TEST(BundleTest, LinksAreNotFollowed) {
  Folder outside(Folder::Files{{"data.json", R"({"secret": 1})"}});
  Folder folder(Folder::Files{{"a/data.json", "{}"}});
  std::filesystem::create_symlink(outside.File("data.json"), folder.File("data.json"));
  auto bundle = LoadBundle(folder.path(), {});
  ASSERT_TRUE(bundle);
  EXPECT_EQ(Sorted(bundle->data), R"({"a":{}})");
}

}  // namespace
}  // namespace bulwark::rego
