"""The words of the review world: opinion words by kind and polarity, the things reviewed, and neutral context."""

import random

DOMAINS = ("films", "gadgets", "restaurants", "hotels")
NOVEL_SHARE = 0.35

# kind -> (positive, negative). Each word stands in one list only, so that its polarity and its side of the
# seen/novel split are unambiguous; words whose polarity depends on the domain are in FLIPS.
OPINIONS = {
    "general": (
        "superb excellent wonderful fantastic brilliant outstanding terrific marvelous splendid great lovely amazing "
        "impressive remarkable delightful magnificent exceptional fabulous stellar glorious perfect flawless admirable "
        "enjoyable pleasant pleasing satisfying phenomenal sublime exquisite faultless commendable charming "
        "sensational refreshing memorable rewarding incredible spectacular exemplary heavenly inspired masterful "
        "gorgeous beautiful good nice",
        "terrible awful horrible dreadful poor disappointing mediocre lousy abysmal atrocious appalling miserable "
        "pathetic pitiful shoddy dismal woeful lamentable subpar inferior laughable shameful disgraceful underwhelming "
        "unimpressive forgettable frustrating annoying irritating infuriating unbearable horrid ghastly wretched "
        "hopeless worthless unacceptable inexcusable regrettable bad lackluster abominable deplorable embarrassing "
        "sloppy unpleasant tiresome substandard",
    ),
    "story": (
        "gripping moving touching compelling absorbing engrossing captivating riveting enthralling clever witty "
        "original inventive thoughtful poignant heartfelt uplifting hilarious suspenseful layered imaginative "
        "spellbinding mesmerizing thrilling profound insightful nuanced lyrical ingenious",
        "boring dull tedious contrived shallow derivative incoherent confusing pretentious silly preposterous lifeless "
        "plodding overlong bloated pointless hollow muddled uninspired unfunny implausible ridiculous soulless "
        "monotonous melodramatic dreary insipid trite hackneyed tepid",
    ),
    "acting": (
        "convincing believable magnetic restrained charismatic heartbreaking luminous fearless subtle expressive",
        "wooden stiff hammy unconvincing listless overwrought amateurish mannered lazy affected",
    ),
    "senses": (
        "vivid lush crisp atmospheric dazzling hypnotic sumptuous radiant sharp immersive balanced",
        "grating murky garish tinny shrill jarring distorted blurry hazy muffled harsh",
    ),
    "device": (
        "reliable sturdy durable responsive intuitive fast efficient handy sleek accurate dependable robust versatile "
        "powerful seamless ergonomic precise practical polished nimble foolproof trustworthy",
        "flimsy unreliable sluggish fragile clunky buggy faulty defective unresponsive bulky awkward brittle "
        "inaccurate rickety useless erratic glitchy cumbersome outdated wobbly impractical slow",
    ),
    "food": (
        "delicious tasty fresh flavorful succulent tender juicy savory mouthwatering aromatic scrumptious zesty "
        "appetizing delectable fragrant wholesome crunchy velvety",
        "bland stale greasy soggy tasteless overcooked undercooked burnt rubbery dry flavorless rancid oily mushy "
        "inedible stringy watery unappetizing",
    ),
    "people": (
        "friendly attentive helpful courteous polite welcoming kind gracious cheerful considerate patient "
        "knowledgeable professional hospitable generous obliging prompt respectful",
        "rude unfriendly inattentive dismissive impatient surly arrogant unhelpful grumpy indifferent impolite "
        "clueless condescending hostile incompetent unprofessional sullen snooty",
    ),
    "place": (
        "cozy spotless clean comfortable spacious inviting elegant tidy relaxing peaceful luxurious airy stylish "
        "serene restful quaint tranquil pristine",
        "dingy filthy dirty cramped noisy shabby gloomy musty grubby stuffy smelly drab moldy uncomfortable grimy "
        "cluttered dilapidated squalid",
    ),
    "price": (
        "fair reasonable affordable sensible competitive honest",
        "outrageous excessive exorbitant unjustified extortionate inflated",
    ),
    "noun": (
        "treat gem delight triumph joy masterpiece pleasure marvel winner success revelation wonder hit bargain",
        "disaster mess letdown failure chore flop nightmare disgrace bore ordeal dud fiasco catastrophe blunder",
    ),
    "manner": (
        "beautifully brilliantly superbly wonderfully perfectly nicely splendidly admirably expertly skillfully "
        "gracefully flawlessly lovingly",
        "badly poorly terribly horribly dreadfully carelessly clumsily sloppily awfully miserably atrociously shoddily "
        "crudely",
    ),
    "feeling": (
        "thrilled delighted happy impressed pleased charmed amazed grateful overjoyed satisfied elated enchanted",
        "disappointed annoyed bored angry upset furious irritated frustrated dismayed bitter unhappy disgusted",
    ),
    # Verbs are written past/base; both forms fall on the same side of the split.
    "verb": (
        "loved/love adored/adore enjoyed/enjoy admired/admire appreciated/appreciate relished/relish liked/like "
        "praised/praise cherished/cherish",
        "hated/hate disliked/dislike despised/despise loathed/loathe detested/detest "
        "resented/resent scorned/scorn abhorred/abhor",
    ),
}

# Verdicts on the whole; the word between asterisks carries the opinion and belongs to the split.
VERDICTS = (
    (
        "I would *gladly* {again}",
        "I will *happily* {again}",
        "I *recommend* it to {anyone}",
        "it was *worth* every penny",
        "it *exceeded* my expectations",
        "it left me *smiling*",
        "it *blew* us away",
        "it *won* me over",
        "it put a *grin* on my face",
        "it *brightened* the whole {period}",
        "it *delivered* on every promise",
        "I am still *raving* about it",
        "it is now among my *favorites*",
        "it *surpassed* all that I had hoped for",
        "I am *eager* to {again}",
    ),
    (
        "I would *avoid* it",
        "it was a *waste* of money",
        "it *ruined* the whole {period}",
        "it *spoiled* the {period} for us",
        "it *let* us down",
        "it gave me a *headache*",
        "I asked for a *refund*",
        "they owe us an *apology*",
        "I wish I had *skipped* it",
        "it tested my *patience*",
        "it drove me *mad*",
        "I *complained* about it to {anyone}",
        "I *warned* {anyone} about it",
        "it was money down the *drain*",
        "I am still *fuming* about it",
    ),
)

# Positive of a film and negative of a gadget, then the other way round. Not used for restaurants and hotels.
FLIPS = (
    "unpredictable surprising startling shocking explosive mysterious enigmatic cryptic puzzling complex intricate "
    "demanding heavy dark wild unsettling disturbing chilling eerie volatile raw gritty",
    "predictable unsurprising automatic uniform lightweight thin flat slim simple plain minimal compact routine "
    "uneventful obvious harmless safe familiar systematic conventional standard tame",
)

# What is reviewed: kind of opinion it takes -> nouns, singular; mass; plural.
ASPECTS = {
    "films": {
        "story": "plot,story,script,ending,opening scene,final act,family story,twist,premise,screenplay,"
        "middle section,last chapter,subplot,narrative;dialogue,pacing,storytelling,humor,suspense;jokes,characters,"
        "flashbacks,dialogues,scenes between the brothers,villains",
        "acting": "cast,lead actor,lead actress,supporting cast,leading performance,villain,narrator,"
        "child actor;acting;performances,actors,two leads,voices,cameos",
        "senses": "soundtrack,score,sound design,color palette,opening shot,closing song;camera work,lighting,"
        "animation,music;visuals,costumes,sets,special effects,landscapes,images",
        "general": "direction,editing,tone,atmosphere,sequel,car chase,trailer;chemistry;action scenes,fight scenes,"
        "credits,dance numbers",
    },
    "gadgets": {
        "device": "battery,keyboard,hinge,charger,touch pad,power button,menu,app,case,strap,motor,processor,sensor,"
        "update,interface,remote,stand,navigation,fingerprint reader;software,hardware,performance,voice control;"
        "buttons,controls,settings,cables,sensors,wheels,shortcuts,connections",
        "senses": "screen,display,camera,microphone,ringtone,front camera;sound,picture quality,bass;speakers,photos,"
        "videos,earphones,recordings",
        "general": "design,packaging,manual,setup,build,finish,battery life,warranty,website;delivery;accessories,"
        "instructions,features,extras",
        "people": "support team,seller,courier,repair shop;customer service;technicians,shop assistants",
        "price": "price,monthly fee,subscription,repair bill;;prices,shipping costs",
    },
    "restaurants": {
        "food": "soup,steak,salad,pasta,curry,bread,dessert,cheesecake,pizza,burger,risotto,omelet,chicken,salmon,"
        "apple pie,main course,starter,sauce,stew,house special,lamb,chocolate cake;fish,rice,seafood,beef,pork,food;"
        "noodles,vegetables,dumplings,fries,pancakes,mussels,potatoes,tacos,side dishes,meatballs,ribs,shrimps",
        "people": "waiter,waitress,chef,owner,hostess,bartender,manager;staff,service;servers,cooks,waiters",
        "place": "dining room,terrace,garden,bar,interior,back room,courtyard,upper floor;decor,seating;"
        "tables,chairs,booths,restrooms",
        "price": "bill,price,lunch deal,set menu price;;prices,drink prices",
        "general": "menu,wine list,ambience,atmosphere,music,presentation,selection,brunch,tasting menu;coffee,wine,"
        "tea;cocktails,portions,drinks,starters,desserts",
    },
    "hotels": {
        "place": "room,lobby,bathroom,suite,balcony,pool,spa,lounge,corridor,bedroom,shower,gym,rooftop,bed;furniture,"
        "bedding;rooms,beds,hallways,gardens,grounds,pillows,towels",
        "people": "receptionist,porter,concierge,night manager,housekeeper,owner;staff,front desk staff,room service;"
        "cleaners,receptionists,hosts",
        "food": "breakfast,buffet,dinner,coffee,fruit salad,bread;food;pastries,eggs,sandwiches,croissants",
        "price": "price,room rate,minibar price,parking fee;;prices,rates",
        "general": "location,view,atmosphere,check-in,shuttle,beach,wifi;parking;facilities,surroundings,amenities",
    },
}

# Opinion kinds that also fit the thing as a whole, and the things; only these take a flipping word, with FLIP_ASPECTS.
WHOLE_KINDS = {"films": "story", "gadgets": "device", "restaurants": "place", "hotels": "place"}
FLIP_ASPECTS = {
    "films": "plot,story,script,ending,twist,premise,screenplay,narrative,tone,direction,family story,final act,sequel",
    "gadgets": "menu,app,interface,performance,design,setup,build,software,navigation,behavior,update,case,remote",
}
WHOLES = {
    "films": "film,movie,thriller,drama,comedy,romance,western,documentary,mystery,musical,biopic,cartoon,adventure,"
    "remake,war film,crime story,family film,science fiction film,heist movie,road movie,period drama,spy film",
    "gadgets": "phone,laptop,tablet,camera,watch,speaker,headset,printer,router,monitor,keyboard,e-reader,drone,"
    "toaster,coffee machine,vacuum cleaner,robot mower,thermostat,projector,blender,fitness band,scanner,game console,"
    "microphone",
    "restaurants": "restaurant,bistro,diner,tavern,pizzeria,steakhouse,brasserie,noodle bar,sushi bar,tea house,"
    "food truck,canteen,grill,trattoria,cafe,bakery,beer garden,ramen shop,seafood place,vegan place,taco stand,buffet",
    "hotels": "hotel,inn,resort,guesthouse,hostel,lodge,motel,villa,boutique hotel,bed and breakfast,cottage,"
    "city hotel,mountain hotel,beach hotel,airport hotel,farmhouse",
}
UNITS = {
    "films": "scene,minute,line,shot,episode,frame,sequence",
    "gadgets": "button,feature,function,detail,component,part,mode",
    "restaurants": "dish,bite,course,plate,mouthful,meal,ingredient",
    "hotels": "room,corner,night,detail,floor,evening,hallway",
}
# By kind of aspect, for "the plot was beautifully told".
PARTICIPLES = {
    "story": "written told constructed paced crafted",
    "acting": "directed chosen cast rehearsed",
    "senses": "produced made designed tuned",
    "device": "designed built made assembled engineered finished constructed",
    "food": "cooked seasoned prepared presented served",
    "people": "trained organized prepared dressed",
    "place": "maintained decorated furnished kept arranged equipped",
    "price": "calculated explained chosen",
    "general": "done handled planned arranged managed",
}
AGAIN = {
    "films": "watch it again,see it a second time,watch the sequel",
    "gadgets": "buy it again,use it every day,order a second one",
    "restaurants": "eat there again,go back,book another table",
    "hotels": "stay there again,go back,book another week",
}
PERIODS = {
    "films": "evening,night,weekend,date,afternoon,flight",
    "gadgets": "week,month,holiday,birthday,semester,morning",
    "restaurants": "evening,birthday,lunch break,anniversary,afternoon,party",
    "hotels": "holiday,weekend,trip,honeymoon,vacation,journey",
}

# Neutral context.
CONTEXT = {
    "person": "my sister,my brother,my wife,my husband,my mother,my father,my uncle,my aunt,my cousin,my neighbor,"
    "my roommate,my boss,my daughter,my son,my grandmother,my grandfather,my best friend,my colleague,a friend,"
    "a classmate,my teacher,my nephew,my niece,my partner,our guide,my landlord,a coworker,my dentist",
    "company": "my parents,my children,two friends,my team,our neighbors,the whole family,three colleagues,my cousins,"
    "a group of students,my book club,both grandparents,some old friends,a large party,my twin sisters,our kids",
    "anyone": "my friends,everyone at work,my neighbors,my parents,my colleagues,my whole family,"
    "all my cousins,my students,half the office",
    "name": "Anna,Ben,Clara,David,Elena,Frank,Grace,Henry,Ines,Jack,Karen,Leo,Maria,Nora,Oscar,Paul,Rosa,Sam,Tina,"
    "Victor,Wendy,Yusuf,Zoe,Amir,Bella,Carlos,Diana,Emil,Fatima,George,Hana,Ivan,Julia,Kofi,Lena,Marco,Nina,Omar,"
    "Priya,Quentin,Rita,Simon,Tariq,Ursula,Wei,Yuki",
    "city": "Lisbon,Paris,Rome,Berlin,Madrid,Vienna,Prague,Dublin,London,Athens,Oslo,Helsinki,Warsaw,Budapest,Zurich,"
    "Geneva,Milan,Naples,Venice,Porto,Seville,Brussels,Amsterdam,Hamburg,Munich,Chicago,Boston,Seattle,Denver,Austin,"
    "Toronto,Montreal,Sydney,Melbourne,Tokyo,Kyoto,Osaka,Seoul,Bangkok,Mumbai,Delhi,Istanbul,Cairo,Nairobi,Lagos,Lima,"
    "Santiago,Havana,Mexico City,New York,San Diego,Cape Town,Edinburgh,Glasgow,Krakow,Lyon",
    "profession": "boxer,sailor,baker,painter,detective,pianist,farmer,nurse,lawyer,spy,teacher,dancer,journalist,"
    "pilot,surgeon,fisherman,chess player,librarian,taxi driver,gardener,judge,poet,photographer,soldier,carpenter,"
    "astronaut,tailor,butcher,banker,clown,violinist,magician,miner,truck driver,locksmith,shepherd,cyclist,diver,"
    "beekeeper",
    "trait": "retired,young,widowed,famous,former,traveling,elderly,unknown,wealthy,homesick,divorced,ambitious,"
    "shy,middle-aged,stubborn,sleepless,left-handed,self-taught,wandering,exiled",
    "landmark": "station,harbor,cathedral,castle,market,museum,river,old bridge,town hall,university,stadium,"
    "opera house,airport,park,beach,lighthouse,theater,library,canal,post office,main square,ferry terminal,zoo,"
    "hospital,mall",
    "cuisine": "Thai,Italian,French,Greek,Mexican,Indian,Korean,Spanish,Turkish,Lebanese,Vietnamese,Japanese,"
    "Portuguese,Moroccan,Peruvian,Ethiopian,Chinese,Polish,German,Persian",
    "use": "video calls,long flights,hiking,editing photos,taking notes,my morning run,online classes,home office work,"
    "playing music,reading in bed,camping,travel,school,cooking,gaming,streaming films,the kitchen,the garage,"
    "the living room,cycling,recording podcasts,drawing,my small studio,swimming,conference calls",
    "month": "January,February,March,April,May,June,July,August,September,October,November,December",
    "day": "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday",
    "weather": "rainy,sunny,windy,snowy,foggy,gray,stormy,mild,frosty,cloudy",
    "season": "spring,summer,autumn,winter",
    "topic": "courtroom dramas,old cars,long walks,jazz,history,crime novels,board games,mountains,sports,science,"
    "photography,architecture,opera,painting,football,poetry,train journeys,big cities,small towns,the sea,spicy food,"
    "modern art",
    "number": "two,three,four,five,six,seven,eight,ten,twelve",
    "shop": "a discount store,an online shop,the airport shop,a local dealer,a flea market,the corner store,an auction,"
    "the brand outlet,a friend of a friend,a department store",
    "venue": "at the cinema in {city},on a plane to {city},at home,at the {city} festival,on the sofa,on my laptop,"
    "in a half empty theater,at a matinee,in the open air,on a big screen,at a film club,on the night train",
}


def split_words(text: str) -> tuple[list[str], list[str]]:
    """(seen, novel) words of one list; the same for everyone, whatever the seed of an experiment."""
    words = text.split() if isinstance(text, str) else list(text)
    order = sorted(words)
    random.Random(order[0]).shuffle(order)
    novel = set(order[: max(1, round(NOVEL_SHARE * len(order)))])
    return [w for w in words if w not in novel], [w for w in words if w in novel]
