package tasuki.peer;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.time.Instant;
import java.util.Map;

/** What the job reads of a record of topic `events`. */
@JsonIgnoreProperties(ignoreUnknown = true)
record Event(
        String id,
        String source,
        String name,
        String time,
        @JsonProperty("received_at") String receivedAt,
        Map<String, Object> properties,
        Map<String, Object> traits,
        @JsonProperty("user_id") String userId,
        @JsonProperty("anonymous_id") String anonymousId)
        implements Message {

    private static final ObjectReader READER = new ObjectMapper().readerFor(Event.class);

    static Event decode(byte[] json) throws IOException {
        return READER.readValue(json);
    }

    /** Whether it says of a visitor who that is. */
    boolean isLink() {
        return userId != null && anonymousId != null;
    }

    String visitor() {
        return "anon:" + anonymousId;
    }

    long timeMs() {
        return Instant.parse(time).toEpochMilli();
    }

    /** The UTC day of reception. */
    long receivedDay() {
        return Math.floorDiv(Instant.parse(receivedAt).toEpochMilli(), Rules.DAY_MS);
    }

    /** 64 bits that tell messages of one lead apart (FNV-1a over source and id). */
    long digest() {
        return fnv(fnv(0xcbf29ce484222325L, source) * 0x100000001b3L, id);
    }

    private static long fnv(long hash, String text) {
        for (int index = 0; index < text.length(); index++) {
            hash = (hash ^ text.charAt(index)) * 0x100000001b3L;
        }
        return hash;
    }
}
