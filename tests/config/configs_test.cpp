#define CAF_SUITE config.files
#include "runtime/config/file.hpp"
#include "runtime/config/render.hpp"
#include "runtime/config/value.hpp"
#include "tests/config/fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <fstream>
#include <iterator>

namespace troupe::configs_suite {

namespace fs = std::filesystem;

namespace {

/// The repository's configs/: found upwards from the test program, which may run anywhere.
fs::path find_configs() {
  for (auto dir = fs::read_symlink("/proc/self/exe"); dir != dir.root_path();
       dir = dir.parent_path())
    if (fs::exists(dir / "configs" / "gateway.conf"))
      return dir / "configs";
  throw std::runtime_error("no configs/ above the test program");
}

const fs::path configs = find_configs();

std::string text_of(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

config::environment nothing() {
  return [](const char*) -> const char* { return nullptr; };
}

} // namespace

SCENARIO("configs/ holds one file per actor, made from the schema, with every default") {
  for (auto& file : config::files()) {
    auto path = configs / (std::string{file.name} + ".conf");
    CHECK_EQ(text_of(path), config::render_file(file, config::settings{}));
  }
}

SCENARIO("every profile is correct and its comments are those of the schema") {
  std::size_t profiles = 0;
  for (auto& entry : fs::directory_iterator{configs}) {
    if (!entry.is_directory())
      continue;
    ++profiles;
    CHECK_EQ(config::check_directory(entry.path().string(), nothing()).message, "");
    for (auto& file : config::files()) {
      auto text = text_of(entry.path() / (std::string{file.name} + ".conf"));
      if (!text.empty())
        CHECK_EQ(text, config::rewrite_file(file, text).value_or("rejected"));
    }
  }
  CHECK(profiles >= 2);
}

SCENARIO("what is rendered reads back as the same settings") {
  config::settings defaults;
  for (auto& file : config::files()) {
    auto parsed = config::parse_file(config::render_file(file, defaults));
    REQUIRE_EQ(parsed.error, "");
    config::settings read;
    for (auto& one : parsed.entries) {
      auto* what = config::find_option(one.name);
      REQUIRE(what != nullptr);
      CHECK(config::assign(*what, read, one.value));
      CHECK_EQ(config::shown(*what, read), config::shown(*what, defaults));
    }
  }
  CHECK_EQ(config::parse_file(config::render_dump(defaults)).error, "");
}

SCENARIO("every default is allowed by its own range") {
  for (auto& one : config::schema()) {
    config::settings values;
    auto text = config::shown(one, values);
    if (text.front() == '"')
      text = text.substr(1, text.size() - 2);
    CHECK(config::assign_text(one, values, text));
  }
}

SCENARIO("keys are unique and belong to a known file") {
  for (auto& one : config::schema()) {
    CHECK_EQ(config::find_option(config::qualified_name(one)), &one);
    auto known = false;
    for (auto& file : config::files())
      known = known || file.name == one.file;
    CHECK(known);
    CHECK(!one.help.empty());
  }
}

} // namespace troupe::configs_suite
