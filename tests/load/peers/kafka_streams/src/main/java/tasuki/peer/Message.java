package tasuki.peer;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/** What changes the state of the lead that is the record's key: an event, or what another partition tells. */
sealed interface Message permits Event, Message.Link, Message.Told {
    /** To a visitor: it is this user. */
    record Link(String user) implements Message {}

    /** To a user: all that a visitor has gathered by now, encoded. */
    record Told(String visitor, byte[] gathered) implements Message {}

    /** Of topic `events`, which is only read. */
    static Serde<Message> events() {
        return Serdes.serdeFrom((topic, message) -> null, (topic, json) -> {
            try {
                return Event.decode(json);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        });
    }

    /** Of the topic between partitions. */
    static Serde<Message> between() {
        Serializer<Message> serializer = (topic, message) -> message instanceof Link link
                ? write(0, link.user(), new byte[0])
                : write(1, ((Told) message).visitor(), ((Told) message).gathered());
        Deserializer<Message> deserializer = (topic, raw) -> {
            ByteBuffer in = ByteBuffer.wrap(raw);
            boolean isLink = in.get() == 0;
            String name = Gathered.text(in);
            return isLink ? new Link(name) : new Told(name, Arrays.copyOfRange(raw, in.position(), raw.length));
        };
        return Serdes.serdeFrom(serializer, deserializer);
    }

    private static byte[] write(int kind, String name, byte[] rest) {
        ByteBuffer out = ByteBuffer.allocate(6 + 3 * name.length() + rest.length);
        out.put((byte) kind);
        Gathered.putText(name, out);
        out.put(rest);
        return Arrays.copyOf(out.array(), out.position());
    }
}
