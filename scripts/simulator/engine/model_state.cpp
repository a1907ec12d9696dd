// SPDX-License-Identifier: Apache-2.0
// The state of a node: what the compiled model holds, as Verilator writes it, and what is kept beside it.
#include <stdexcept>

#include "D1Node.h"
#include "node.h"
#include "state.h"
#include "verilated_save.h"

namespace d1 {

namespace {

// Verilator's stream on to a writer.
class ModelWriter final : public VerilatedSerialize {
  public:
    explicit ModelWriter(StateWriter& to) : to_(to) { m_isOpen = true; }
    void flush() override {
        to_.bytes(m_bufp, size_t(m_cp - m_bufp));
        m_cp = m_bufp;
    }

  private:
    StateWriter& to_;
};

// Verilator's stream out of a reader. It reads ahead, so that nothing may follow.
class ModelReader final : public VerilatedDeserialize {
  public:
    explicit ModelReader(StateReader& from) : from_(from) {
        m_isOpen = true;
        m_endp = m_bufp;
    }
    void fill() override {
        if (m_cp > m_endp) throw std::runtime_error("the state of a node is too short");
        m_endp = std::copy(m_cp, m_endp, m_bufp);
        m_cp = m_bufp;
        m_endp += from_.some(m_endp, size_t(m_bufp + bufferSize() - m_endp));
    }
    void end() const {
        if (m_cp != m_endp) throw std::runtime_error("the state of a node has another size");
    }

  private:
    StateReader& from_;
};

}  // namespace

void Node::save_model(StateWriter& writer) const {
    StateWriter model;
    ModelWriter stream(model);
    stream << *model_;
    stream.flush();
    std::vector<uint8_t> bytes = model.take();
    writer(bytes);
}

void Node::restore_model(StateReader& reader) {
    std::vector<uint8_t> bytes;
    reader(bytes);
    StateReader model(bytes.data(), bytes.size());
    ModelReader stream(model);
    stream >> *model_;
    stream.end();
}

}  // namespace d1
