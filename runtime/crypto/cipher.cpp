#include "runtime/crypto/cipher.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

namespace troupe::crypto {
namespace {

constexpr char format = 1;
constexpr std::size_t nonce_size = 12;
constexpr std::size_t tag_size = 16;

using context_ptr = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

std::uint8_t* bytes_of(char* text) {
  return reinterpret_cast<std::uint8_t*>(text);
}

void check(int result) {
  if (result != 1)
    throw crypto_error(failure::library, "AES-256-GCM failed");
}

/// The additional data; every part has a fixed length or a zero byte at its end, so that no two
/// contexts read alike.
std::string additional_data(const seal_context& x, std::string_view key_id) {
  std::string out{format};
  out.append(key_id).append(1, '\0').append(x.purpose).append(1, '\0');
  for (int shift = 56; shift >= 0; shift -= 8)
    out += static_cast<char>((static_cast<std::uint64_t>(x.owner) >> shift) & 255);
  return out;
}

context_ptr new_context() {
  context_ptr ctx{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  check(ctx ? 1 : 0);
  return ctx;
}

} // namespace

std::string key_id(const secret_key& key) {
  std::string tagged{"troupe master key"};
  for (auto byte : key.reveal())
    tagged += static_cast<char>(byte);
  std::array<std::uint8_t, 32> digest{};
  auto done =
    EVP_Digest(tagged.data(), tagged.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  wipe(tagged);
  check(done);
  std::string id;
  for (std::size_t i = 0; i < 8; ++i)
    for (auto digit : {digest[i] >> 4, digest[i] & 15})
      id += "0123456789abcdef"[digit];
  return id;
}

key_ring::key_ring(std::vector<secret_key> keys) : keys_(std::move(keys)) {
  if (keys_.empty())
    throw crypto_error(failure::bad_key, "there is no master key");
  for (const auto& key : keys_)
    ids_.push_back(key_id(key));
}

sealed key_ring::seal(std::string_view secret, const seal_context& belongs_to,
                      const random_source& source) const {
  std::string box(1 + nonce_size + secret.size() + tag_size, '\0');
  box[0] = format;
  auto* nonce = bytes_of(box.data()) + 1;
  auto* out = nonce + nonce_size;
  source({nonce, nonce_size});
  auto extra = additional_data(belongs_to, current());
  auto ctx = new_context();
  int n = 0;
  check(EVP_EncryptInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, keys_.front().reveal().data(),
                           nonce));
  check(EVP_EncryptUpdate(ctx.get(), nullptr, &n, as_bytes(extra).data(),
                          static_cast<int>(extra.size())));
  check(EVP_EncryptUpdate(ctx.get(), out, &n, as_bytes(secret).data(),
                          static_cast<int>(secret.size())));
  check(EVP_EncryptFinal_ex(ctx.get(), out + n, &n));
  check(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_GET_TAG, tag_size, out + secret.size()));
  return {current(), to_base64url(as_bytes(box))};
}

secret_text key_ring::open(const sealed& what, const seal_context& belongs_to) const {
  auto found = std::find(ids_.begin(), ids_.end(), what.key_id);
  if (found == ids_.end())
    throw crypto_error(failure::unknown_key,
                       "sealed under the master key " + what.key_id + ", which is not loaded");
  auto damaged = [] {
    return crypto_error(failure::damaged, "a seal is damaged or belongs to something else");
  };
  auto box = from_base64url(what.box);
  if (!box || box->size() < 1 + nonce_size + tag_size || box->front() != format)
    throw damaged();
  const auto& key = keys_[static_cast<std::size_t>(found - ids_.begin())];
  auto* nonce = bytes_of(box->data()) + 1;
  auto* in = nonce + nonce_size;
  auto size = box->size() - 1 - nonce_size - tag_size;
  auto extra = additional_data(belongs_to, what.key_id);
  std::string plain(size, '\0');
  auto ctx = new_context();
  int n = 0;
  check(EVP_DecryptInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, key.reveal().data(), nonce));
  check(EVP_DecryptUpdate(ctx.get(), nullptr, &n, as_bytes(extra).data(),
                          static_cast<int>(extra.size())));
  check(EVP_DecryptUpdate(ctx.get(), bytes_of(plain.data()), &n, in, static_cast<int>(size)));
  check(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_SET_TAG, tag_size, in + size));
  secret_text result{std::move(plain)};
  std::uint8_t rest[16];
  if (EVP_DecryptFinal_ex(ctx.get(), rest, &n) != 1)
    throw damaged();
  return result;
}

} // namespace troupe::crypto
