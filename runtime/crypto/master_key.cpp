#include "runtime/crypto/master_key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace troupe::crypto {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& sentence) {
  throw crypto_error(failure::bad_key, sentence);
}

[[noreturn]] void refuse_file(const std::string& path, const char* deed) {
  refuse(path + ": " + deed + ": " + std::strerror(errno));
}

/// An open file that closes itself.
struct file {
  int fd;
  explicit file(int fd) : fd(fd) {}
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  ~file() {
    if (fd >= 0)
      ::close(fd);
  }
};

secret_key parse_key(std::string_view text, const std::string& where) {
  auto bytes = from_base64(text);
  if (!bytes || bytes->size() != secret_key::size)
    refuse(where + ": not a master key; allowed are 32 bytes in base64");
  secret_key key{as_bytes(*bytes)};
  wipe(*bytes);
  return key;
}

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view blanks = " \t\r";
  auto first = line.find_first_not_of(blanks);
  if (first == std::string_view::npos)
    return {};
  return line.substr(first, line.find_last_not_of(blanks) - first + 1);
}

secret_text read_all(const std::string& path, bool& readable_by_others) {
  file in{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat about {};
  if (in.fd < 0 || ::fstat(in.fd, &about) != 0)
    refuse_file(path, "the master key cannot be read");
  readable_by_others = (about.st_mode & S_IROTH) != 0;
  constexpr std::size_t largest = 64 * 1024;
  std::string text(largest, '\0');
  std::size_t size = 0;
  for (ssize_t n = 1; n > 0 && size < largest; size += static_cast<std::size_t>(n))
    if (n = ::read(in.fd, text.data() + size, largest - size); n < 0) {
      wipe(text);
      refuse_file(path, "the master key cannot be read");
    }
  secret_text all{std::string(text, 0, size)};
  wipe(text);
  return all;
}

void read_keys(const std::string& path, std::vector<secret_key>& keys, bool& readable_by_others) {
  auto text = read_all(path, readable_by_others);
  std::string_view rest = text.reveal();
  auto before = keys.size();
  for (int line = 1; !rest.empty(); ++line) {
    auto end = rest.find('\n');
    auto one = trimmed(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!one.empty() && one.front() != '#')
      keys.push_back(parse_key(one, path + ':' + std::to_string(line)));
  }
  if (keys.size() == before)
    refuse(path + ": holds no master key; allowed are 32 bytes in base64, one key a line");
}

/// Writes all of `text` to a new file of mode 0600 and to the disk; completes the file's name.
void write_new(std::string& path, std::string_view text) {
  file out{::mkostemp(path.data(), O_CLOEXEC)};
  if (out.fd < 0)
    refuse_file(path, "the master key cannot be written");
  while (!text.empty()) {
    auto n = ::write(out.fd, text.data(), text.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      refuse_file(path, "the master key cannot be written");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(out.fd) != 0)
    refuse_file(path, "the master key cannot be written");
}

/// Makes `path` with a new key, or leaves the one that another process made meanwhile.
/// @returns whether it is this one's
bool create(const std::string& dir, const std::string& path, const random_source& source) {
  std::error_code failed;
  fs::create_directories(dir, failed);
  auto draft = path + ".XXXXXX";
  secret_text text{to_base64(random_key(source).reveal()) + '\n'};
  write_new(draft, text.reveal());
  // A link, unlike a rename, never replaces a key.
  auto linked = ::link(draft.c_str(), path.c_str()) == 0;
  auto why = errno;
  ::unlink(draft.c_str());
  if (!linked && why != EEXIST) {
    errno = why;
    refuse_file(path, "the master key cannot be written");
  }
  file parent{::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (parent.fd < 0 || ::fsync(parent.fd) != 0)
    refuse_file(dir, "the new master key cannot be made durable");
  return linked;
}

} // namespace

master_keys load_master_keys(const master_key_places& places, const random_source& source) {
  std::vector<secret_key> keys;
  std::string origin;
  bool created = false;
  bool readable_by_others = false;
  if (!places.environment.empty()) {
    keys.push_back(parse_key(places.environment, "TROUPE_MASTER_KEY"));
    origin = "TROUPE_MASTER_KEY";
  }
  if (!places.file.empty()) {
    read_keys(places.file, keys, readable_by_others);
    if (origin.empty())
      origin = places.file;
  }
  if (keys.empty() && !places.embedded)
    refuse("there is no master key: set TROUPE_MASTER_KEY or secrets.master-key-file "
           "(32 bytes in base64, the same on every node)");
  if (places.embedded) {
    auto dir = places.data_dir.empty() ? std::string{"."} : places.data_dir;
    auto own = dir + "/master.key";
    auto exists = fs::exists(own);
    if (keys.empty()) {
      origin = own;
      if (!exists && places.in_use)
        refuse(own
               + ": the master key that sealed this store is gone; bring it back, or set "
                 "TROUPE_MASTER_KEY or secrets.master-key-file");
      if (!exists)
        created = create(dir, own, source);
      exists = true;
    }
    if (exists)
      read_keys(own, keys, readable_by_others);
  }
  return {key_ring{std::move(keys)}, std::move(origin), created, readable_by_others};
}

} // namespace troupe::crypto
