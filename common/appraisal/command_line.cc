#include "common/appraisal/command_line.h"

#include <algorithm>

#include "common/base/encoding.h"

namespace gatehouse::appraisal {
namespace {

// isspace() of the kernel, which takes 0xA0 for one as well.
bool IsSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xA0';
}

// "dash-insensitive": parameters are compared with '-' as '_' (kernel-parameters.rst).
std::string Normal(std::string_view word) {
  std::string normal(word);
  for (char& c : normal) {
    if (c == '=') break;
    if (c == '-') c = '_';
  }
  return normal;
}

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (!IsSpace(c)) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

// next_arg() of the kernel: a double quote toggles whether white space ends a parameter; quotes around all of a
// parameter, or around its value, are taken off.
std::vector<std::string> SplitAsKernel(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() && IsSpace(text[at])) ++at;
    const std::size_t begin = at;
    bool quoted = false;
    for (; at < text.size() && (quoted || !IsSpace(text[at])); ++at) quoted ^= text[at] == '"';
    std::string word(text.substr(begin, at - begin));
    if (word.empty()) continue;
    const bool whole = word.front() == '"';
    if (whole) word.erase(0, 1);
    const std::size_t equals = word.find('=');
    const bool value = equals != std::string::npos && equals + 1 < word.size() && word[equals + 1] == '"';
    if (value) word.erase(equals + 1, 1);
    if ((whole || value) && !word.empty() && word.back() == '"') word.pop_back();
    words.push_back(std::move(word));
  }
  return words;
}

bool IsWord(const std::string& found, const std::string& rule) {
  const std::string normal = Normal(found);
  const std::string wanted = Normal(rule);
  return wanted.ends_with('=') ? normal.starts_with(wanted) : normal == wanted;
}

bool Contains(const std::vector<std::string>& words, const std::string& rule) {
  return std::any_of(words.begin(), words.end(), [&rule](const std::string& word) { return IsWord(word, rule); });
}

std::string Quoted(const std::string& word) {
  return "'" + Printable(word, 80) + "'";
}

// What contradicts a required word with a value: the same parameter with another value that nobody asked for.
void FindContradictions(const std::vector<std::string>& words, const std::string& rule,
                        const std::vector<std::string>& required, std::vector<std::string>& refused) {
  const std::size_t equals = rule.find('=');
  if (equals == std::string::npos || equals + 1 == rule.size()) return;
  const std::string any_value = rule.substr(0, equals + 1);
  for (const std::string& word : words) {
    if (!IsWord(word, any_value)) continue;
    const bool asked_for = std::any_of(required.begin(), required.end(),
                                       [&word](const std::string& other) { return IsWord(word, other); });
    if (!asked_for) refused.push_back("has " + Quoted(word) + " against the required " + Quoted(rule));
  }
}

}  // namespace

std::vector<std::string> WordsRefused(std::string_view text, const std::vector<std::string>& required,
                                      const std::vector<std::string>& forbidden) {
  const std::vector<std::string> words = SplitAsKernel(text);
  // "everything after '--' is passed as an argument to init".
  std::vector<std::string> of_kernel(words.begin(), std::find(words.begin(), words.end(), "--"));
  std::vector<std::string> refused;
  for (const std::string& rule : required) {
    if (!Contains(of_kernel, rule)) {
      refused.push_back("lacks the required " + Quoted(rule));
      continue;
    }
    FindContradictions(of_kernel, rule, required, refused);
  }
  const std::vector<std::string> raw = Split(text);
  for (const std::string& rule : forbidden) {
    if (Contains(words, rule) || Contains(raw, rule)) refused.push_back("has the forbidden " + Quoted(rule));
  }
  return refused;
}

}  // namespace gatehouse::appraisal
