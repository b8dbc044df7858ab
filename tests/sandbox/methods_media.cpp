// Messages with files, and getFile.
#include "tests/sandbox/media.hpp"
#include "tests/sandbox/text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

constexpr std::size_t longest_caption = 1024; // UTF-16 units, as documented.
constexpr std::size_t largest_download = 20 * 1024 * 1024;

constexpr media_kind kinds[]{
  {"sendPhoto", "photo", "photos", ""},
  {"sendAudio", "audio", "music", R"(,"duration":0)"},
  {"sendDocument", "document", "documents", ""},
  {"sendVideo", "video", "videos", R"(,"width":640,"height":360,"duration":0)"},
  {"sendAnimation", "animation", "animations", R"(,"width":320,"height":180,"duration":0)"},
  {"sendVoice", "voice", "voice", R"(,"duration":0)"},
  {"sendVideoNote", "video_note", "video_notes", R"(,"length":240,"duration":0)"},
  {"sendSticker", "sticker", "stickers",
   R"(,"type":"regular","width":512,"height":512,"is_animated":false,"is_video":false)"},
  {"sendLivePhoto", "live_photo", "photos", R"(,"width":640,"height":360,"duration":0)"},
};

const media_kind& kind_of(const call& c) {
  for (auto& x : kinds)
    if (x.method == telegram::method(c.method).name)
      return x;
  return kinds[2];
}

void send_media(const call& c) {
  auto& kind = kind_of(c);
  auto file = take_file(c, kind.folder, kind.name, c.args.text(kind.name));
  if (!file)
    return c.bad_request(c.args.text(kind.name).empty()
                           ? "there is no " + std::string{kind.name} + " in the request"
                           : "wrong file identifier/HTTP URL specified");
  std::string caption;
  if (read_caption(c, c.args.text("caption"), c.args.text("parse_mode"),
                   c.args.text("caption_entities"), caption))
    send(c, media_members(kind, *file), std::move(caption));
}

std::string_view member_text(const json::object& x, std::string_view name) {
  auto* value = x.if_contains({name.data(), name.size()});
  return value != nullptr && value->is_string()
           ? std::string_view{value->get_string().data(), value->get_string().size()}
           : std::string_view{};
}

// The items of `media`, each with its file. Empty: `c` has been answered.
struct item {
  std::string content;
  std::string caption;
};
std::vector<item> read_items(const call& c, std::size_t least, std::size_t most) {
  boost::system::error_code error;
  auto text = c.args.text("media");
  auto parsed = json::parse({text.data(), text.size()}, error);
  if (error || !parsed.is_array()) {
    c.bad_request("can't parse media JSON object");
    return {};
  }
  auto& list = parsed.get_array();
  if (list.size() < least || list.size() > most) {
    c.bad_request("group must contain " + std::to_string(least) + "-" + std::to_string(most)
                  + " items");
    return {};
  }
  std::vector<item> result;
  for (auto& x : list) {
    auto* object = x.if_object();
    auto* kind = object ? find_media_kind(member_text(*object, "type")) : nullptr;
    auto file = kind ? take_file(c, kind->folder, {}, member_text(*object, "media")) : std::nullopt;
    if (!file) {
      c.bad_request("can't parse InputMedia: no such type or file");
      return {};
    }
    auto& added = result.emplace_back();
    added.content = media_members(*kind, *file);
    if (!read_caption(c, member_text(*object, "caption"), member_text(*object, "parse_mode"), {},
                      added.caption))
      return {};
  }
  return result;
}

void send_media_group(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  auto items = read_items(c, 2, 10);
  std::string extra;
  if (items.empty() || !read_extra(c, *where, extra))
    return;
  auto& out = c.begin();
  out += '[';
  std::lock_guard lock{where->mutex};
  extra +=
    R"(,"media_group_id":")" + std::to_string(where->id) + std::to_string(where->next_id) + '"';
  for (auto& x : items) {
    message m;
    m.date = c.w.unix_now();
    m.from_bot = true;
    m.author = c.b->id;
    m.author_member =
      where->type == chat_type::channel ? R"(,"sender_chat":)" + where->json : c.b->author_member;
    m.extra = extra;
    m.content = std::move(x.content);
    m.caption = std::move(x.caption);
    if (out.back() != '[')
      out += ',';
    where->render(where->append(std::move(m)), out);
  }
  out += ']';
  c.end();
}

void send_paid_media(const call& c) {
  auto stars = c.args.integer("star_count");
  if (!stars || *stars < 1)
    return c.bad_request("star_count must be positive");
  auto items = read_items(c, 1, 10);
  std::string caption;
  if (items.empty()
      || !read_caption(c, c.args.text("caption"), c.args.text("parse_mode"),
                       c.args.text("caption_entities"), caption))
    return;
  auto content = R"(,"paid_media":{"star_count":)" + std::to_string(*stars) + R"(,"paid_media":[)";
  for (auto& x : items) { // `,"photo":…` becomes `{"type":"photo","photo":…}`.
    auto name = x.content.substr(2, x.content.find('"', 2) - 2);
    content += content.back() == '[' ? "" : ",";
    content += R"({"type":")" + name + '"' + x.content + '}';
  }
  send(c, content + "]}", std::move(caption));
}

void get_file(const call& c) {
  auto id = c.args.text("file_id");
  if (id.empty())
    return c.bad_request("file_id not specified");
  auto file = c.w.files.find(id);
  if (!file)
    return c.bad_request("wrong file_id or the file is temporarily unavailable");
  if (file->size > largest_download)
    return c.bad_request("file is too big");
  c.ok(file_members(*file) + R"(,"file_path":")" + file->path + "\"}");
}

void upload_sticker_file(const call& c) {
  auto file = take_file(c, "stickers", "sticker", c.args.text("sticker"));
  if (!file)
    return c.bad_request("there is no sticker file in the request");
  c.ok(file_members(*file) + '}');
}

constexpr method_entry media_table[]{
  {"sendPhoto", send_media},
  {"sendAudio", send_media},
  {"sendDocument", send_media},
  {"sendVideo", send_media},
  {"sendAnimation", send_media},
  {"sendVoice", send_media},
  {"sendVideoNote", send_media},
  {"sendSticker", send_media},
  {"sendLivePhoto", send_media},
  {"sendMediaGroup", send_media_group},
  {"sendPaidMedia", send_paid_media},
  {"getFile", get_file},
  {"uploadStickerFile", upload_sticker_file},
};

} // namespace

const media_kind* find_media_kind(std::string_view name) noexcept {
  for (auto& x : kinds)
    if (x.name == name)
      return &x;
  return nullptr;
}

std::optional<stored_file> take_file(const call& c, std::string_view folder, std::string_view field,
                                     std::string_view reference) {
  auto* part = reference.empty() ? c.args.file(field) : c.args.attached(reference);
  if (part != nullptr)
    return c.w.files.add(folder, part->file_name, part->content_type, part->content);
  if (reference.starts_with("http://") || reference.starts_with("https://")) // Nothing is fetched.
    return c.w.files.add(folder, reference.substr(reference.rfind('/') + 1), {}, reference);
  return reference.empty() ? std::nullopt : c.w.files.find(reference);
}

std::string file_members(const stored_file& file) {
  return R"({"file_id":")" + file.id + R"(","file_unique_id":")" + file.unique_id
         + R"(","file_size":)" + std::to_string(file.size);
}

std::string media_members(const media_kind& kind, const stored_file& file) {
  std::string out = ",\"" + std::string{kind.name} + "\":";
  auto common = file_members(file);
  if (kind.name == "photo") {
    auto size = measure_image(*file.content);
    return out + '[' + common + R"(,"width":)" + std::to_string(size.width) + R"(,"height":)"
           + std::to_string(size.height) + "}]";
  }
  if (!file.name.empty()) {
    common += R"(,"file_name":)";
    telegram::append_json_string(common, file.name);
  }
  common += R"(,"mime_type":)";
  telegram::append_json_string(common, file.mime);
  out += common + std::string{kind.more} + '}';
  if (kind.name == "animation") // Shown as a document too, for libraries of old.
    out += R"(,"document":)" + common + '}';
  return out;
}

bool read_caption(const call& c, std::string_view caption, std::string_view mode,
                  std::string_view entities, std::string& members) {
  if (caption.empty())
    return true;
  if (!is_utf8(caption)) {
    c.bad_request("strings must be encoded in UTF-8");
    return false;
  }
  auto parsed = parse_markup(caption, mode);
  if (!parsed.error.empty()) {
    c.bad_request("can't parse entities: " + parsed.error);
    return false;
  }
  if (utf16_length(parsed.text) > longest_caption) {
    c.bad_request("message caption is too long");
    return false;
  }
  members = text_members("caption", "caption_entities", parsed.text,
                         entities.empty() ? std::string_view{parsed.entities} : entities);
  return true;
}

std::span<const method_entry> media_methods() {
  return media_table;
}

} // namespace troupe::sandbox
